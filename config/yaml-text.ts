import { Composer, Lexer, LineCounter, Parser, isAlias, isMap, isPair, isScalar, isSeq, stringify, type CST, type Document, type ParsedNode } from 'yaml';
import { printable } from '../net/printable.ts';
import { type ConfigError, type Position, makeError, maxErrors } from './errors.ts';
import { type MapEntry, type Tree, emptyMap, joinPath } from './tree.ts';

/** What a file may take: none of our own comes near, and a file that means harm gets no further. */
export const yamlLimits = {
  /** Characters of text. */
  size: 1 << 20,
  /** Words and signs. */
  tokens: 400_000,
  depth: 32,
  /** Values, those that aliases repeat counted each time. */
  values: 200_000,
  aliases: 1000,
  keyLength: 256,
};

const nestedTooDeep = `values are nested more than ${yamlLimits.depth} deep`;

/** `file` is how messages name it. */
export interface YamlSource {
  readonly text: string;
  readonly file: string | undefined;
  /** The path of the whole, where it is not the top of a configuration. */
  readonly path?: string;
}

/**
 * YAML 1.2 (core schema), one document → values that know their place. Tags, directives, doubled keys and more than
 * {@link yamlLimits} are errors; so is anything that the language does not allow. Never throws. `tree` is missing where nothing can be used.
 */
export function readYaml(source: YamlSource, errors: ConfigError[]): Tree | undefined {
  const { text, file, path = '' } = source;
  const lines = new LineCounter();
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const fail = (offset: number, message: string): undefined => void errors.push(makeError(at(offset), '', message));
  lines.addNewLine(0);
  if (text.length > yamlLimits.size) return fail(0, `the file is larger than ${yamlLimits.size} characters`);
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) lines.addNewLine(i + 1);
  const control = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]/u.exec(text);
  if (control !== null) return fail(control.index, `the file contains a control character (${printable(control[0])})`);
  const composed = compose(text);
  if ('failure' in composed) return fail(composed.offset, composed.failure);
  const [document, second] = composed.documents;
  for (const { offset, message } of composed.errors) fail(offset, message);
  if (second !== undefined) return fail(second.range[0], 'a second document starts here; a file holds one');
  if (composed.errors.length > 0) return undefined;
  if (document?.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2') return fail(0, 'the file must be YAML 1.2; take the %YAML line out');
  if (document === undefined || document.contents === null) return { kind: 'scalar', value: null, at: at(0), path };
  const builder = new TreeBuilder(at, errors);
  const tree = builder.build(document.contents, path, 0, 0);
  return builder.stopped ? undefined : tree;
}

/** Thrown at the place where a file goes beyond {@link yamlLimits}. */
class TooMuch extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** The parser's tokens; words, depth and aliases are counted before anything is built, for a parser spends far more on each than this does. */
function* readTokens(text: string): Generator<CST.Token> {
  const parser = new Parser();
  let [offset, tokens, flow, indicators, references] = [0, 0, 0, 0, 0];
  let scalarNext = false;
  for (const token of new Lexer().lex(text)) {
    if (++tokens > yamlLimits.tokens) throw new TooMuch(offset, `the file has more than ${yamlLimits.tokens} words and signs`);
    if (scalarNext) scalarNext = false;
    else if (token === '[' || token === '{') flow += 1;
    else if (token === ']' || token === '}') flow -= 1;
    else if (flow === 0 && (token === '-' || token === '?' || token === ':')) indicators += 1;
    else if (token === '\n' || token === '\r\n') indicators = 0;
    else if (token === '\x1f') scalarNext = true;
    else if ((token.startsWith('*') || token.startsWith('&')) && ++references > yamlLimits.aliases) throw new TooMuch(offset, `the file has more than ${yamlLimits.aliases} anchors and aliases`);
    if (flow > yamlLimits.depth || indicators > yamlLimits.depth) throw new TooMuch(offset, nestedTooDeep);
    if (flow < 0) throw new TooMuch(offset, `${token} closes nothing`);
    // The lexer's marks for documents, scalars and broken flows stand for no text.
    if (token !== '\x02' && token !== '\x1f' && token !== '\x18') offset += token.length;
    yield* parser.next(token);
  }
  yield* parser.end();
}

type Composed =
  | { readonly documents: readonly (Document.Parsed & { range: [number, number, number] })[]; readonly errors: readonly { readonly offset: number; readonly message: string }[] }
  | { readonly failure: string; readonly offset: number };

/** Thrown when a text has more errors than anyone reads: each costs a stack trace. */
class EnoughErrors extends Error {}

function compose(text: string): Composed {
  // `uniqueKeys` and merge keys are left to TreeBuilder: the library compares each key with each other one.
  const composer = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false, strict: true, prettyErrors: false, merge: false });
  const inner = composer as unknown as { onError: (source: number | { readonly offset: number }, code: string, message: string, warning?: boolean) => void };
  const errors: { offset: number; message: string }[] = [];
  inner.onError = (source, _code, message, warning) => {
    if (warning === true) return; // unknown tags, which TreeBuilder refuses with all others
    const offset = typeof source === 'number' ? source : Array.isArray(source) ? Number(source[0]) : source.offset;
    errors.push({ offset, message: sayPlainly(message) });
    if (errors.length >= maxErrors) throw new EnoughErrors();
  };
  const documents: (Document.Parsed & { range: [number, number, number] })[] = [];
  try {
    for (const document of composer.compose(readTokens(text), true, text.length)) {
      if (documents.push(document) > 1) break;
    }
  } catch (error) {
    if (error instanceof TooMuch) return { failure: error.message, offset: error.offset };
    if (error instanceof RangeError) return { failure: nestedTooDeep, offset: 0 };
    if (!(error instanceof EnoughErrors)) throw error;
  }
  return { documents, errors };
}

/** The library's sentence without the piece of the file that it may quote: that could be a password. */
function sayPlainly(message: string): string {
  if (message.includes('call stack')) return nestedTooDeep;
  return printable(message.replace(/: ["'`\\{].*$/s, '').replace(/\\.*$/s, '').trim(), 160);
}

/** Turns the parser's nodes into a {@link Tree}, counting what aliases repeat. */
class TreeBuilder {
  private readonly at: (offset: number) => Position;
  private readonly errors: ConfigError[];
  private readonly anchors = new Map<string, ParsedNode>();
  private values = 0;
  private aliases = 0;
  /** True once a limit was reached: the tree is not whole. */
  stopped = false;

  constructor(at: (offset: number) => Position, errors: ConfigError[]) {
    this.at = at;
    this.errors = errors;
  }

  build(node: ParsedNode | null, path: string, depth: number, fallback: number): Tree {
    const at = this.at(node?.range[0] ?? fallback);
    const nothing: Tree = { kind: 'scalar', value: null, at, path };
    if (node === null || this.stopped) return nothing;
    if (++this.values > yamlLimits.values) return this.stop(at, path, `the file has more than ${yamlLimits.values} values, counting what aliases repeat`) ?? nothing;
    if (depth > yamlLimits.depth) return this.stop(at, path, nestedTooDeep) ?? nothing;
    if (isAlias(node)) {
      if (++this.aliases > yamlLimits.aliases) return this.stop(at, path, `the file has more than ${yamlLimits.aliases} aliases`) ?? nothing;
      const target = this.anchors.get(node.source);
      if (target === undefined) return this.fail(at, path, `no anchor &${printable(node.source, 40)} stands before this alias`) ?? nothing;
      return this.build(target, path, depth + 1, fallback);
    }
    if (node.tag !== undefined) this.fail(at, path, 'tags (!...) are not allowed');
    // Known from its end on only, so that an alias inside it finds nothing: a value can't contain itself.
    const built = this.buildNode(node, path, depth, at);
    if ('anchor' in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    return built;
  }

  private buildNode(node: ParsedNode, path: string, depth: number, at: Position): Tree {
    if (isScalar(node)) return { kind: 'scalar', value: this.scalar(node.value, at, path), at, path };
    if (isSeq(node)) {
      return { kind: 'list', items: node.items.map((item, index) => this.build(item, joinPath(path, index), depth + 1, node.range?.[0] ?? 0)), at, path };
    }
    if (!isMap(node)) return emptyMap(at, path);
    const entries = new Map<string, MapEntry>();
    for (const pair of node.items) {
      if (!isPair(pair)) continue;
      const keyNode = pair.key as ParsedNode | null;
      const keyAt = this.at(keyNode?.range[0] ?? node.range?.[0] ?? 0);
      const key = this.readKey(keyNode, keyAt, path);
      if (key === undefined) continue;
      const value = this.build(pair.value, joinPath(path, key), depth + 1, keyNode?.range[0] ?? 0);
      if (entries.has(key)) this.fail(keyAt, value.path, `this key stands a second time; the first is in line ${entries.get(key)?.at.line}`);
      else entries.set(key, { at: keyAt, value });
    }
    return { kind: 'map', entries, at, path };
  }

  private readKey(node: ParsedNode | null, at: Position, path: string): string | undefined {
    if (!isScalar(node) || isAlias(node) || node.value === null || typeof node.value === 'object') return this.fail(at, path, 'a key must be a word');
    const key = typeof node.value === 'string' ? node.value : (node.source ?? '');
    if (node.tag !== undefined) return this.fail(at, path, 'tags (!...) are not allowed');
    if ('anchor' in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    if (key.length > yamlLimits.keyLength) return this.fail(at, path, `a key has more than ${yamlLimits.keyLength} characters`);
    if (['__proto__', 'constructor', 'prototype'].includes(key)) return this.fail(at, joinPath(path, key), `"${key}" is no key of any configuration`);
    return key;
  }

  private scalar(value: unknown, at: Position, path: string): string | number | boolean | null {
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      if (typeof value === 'string' && value.includes('\0')) this.fail(at, path, 'the value contains a NUL character');
      return value;
    }
    this.fail(at, path, 'this kind of value is not allowed');
    return null;
  }

  private fail(at: Position, path: string, message: string): undefined {
    this.errors.push(makeError(at, path, message));
  }

  private stop(at: Position, path: string, message: string): undefined {
    this.stopped = true;
    this.fail(at, path, message);
  }
}

/** A plain value as YAML, for `-o yaml`. */
export function toYaml(value: unknown): string {
  return stringify(value, { version: '1.2', schema: 'core', lineWidth: 0, aliasDuplicateObjects: false });
}
