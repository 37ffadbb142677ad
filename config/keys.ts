import { type ConfigError, makeError, maxErrors, nearest } from './errors.ts';
import { type MapEntry, type MapTree, type Tree, emptyMap } from './tree.ts';
import { quote } from './values.ts';

/** Which keys a file may have and what kind of value each takes; made from the schema. */
export type KeyTree = { readonly optional: boolean } & (
  | { readonly kind: 'map'; readonly keys: ReadonlyMap<string, KeyTree> }
  | { readonly kind: 'list'; readonly item: KeyTree }
  | { readonly kind: 'record' | 'number' | 'boolean' | 'text' | 'any' }
);

/**
 * Names every key that does not exist, and gives the tree without them, so that the rest can be checked too. Also settles what only
 * the kind of a key can tell: what `${NAME}` stood for, and that an empty section (`migration:`) is one with nothing in it.
 */
export function checkKeys(tree: Tree, known: KeyTree, errors: ConfigError[]): Tree {
  return new KeyCheck(known, errors).visit(tree, known, '') ?? tree;
}

class KeyCheck {
  private readonly errors: ConfigError[];
  private readonly root: KeyTree;
  private places: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(root: KeyTree, errors: ConfigError[]) {
    this.root = root;
    this.errors = errors;
  }

  /** The tree without unknown keys; `undefined` where it stands for nothing at all. */
  visit(tree: Tree, known: KeyTree, pattern: string): Tree | undefined {
    switch (known.kind) {
      case 'map':
        if (tree.kind === 'map') return this.visitMap(tree, known.keys, pattern);
        return tree.kind === 'scalar' && tree.value === null && known.optional && !pattern.endsWith('.password') ? emptyMap(tree.at, tree.path) : tree;
      case 'list':
        if (tree.kind !== 'list') return tree;
        return { ...tree, items: tree.items.map((item) => this.visit(item, known.item, `${pattern}[]`) ?? item) };
      case 'record':
        return tree.kind === 'scalar' && tree.value === null && known.optional ? emptyMap(tree.at, tree.path) : tree;
      case 'number':
      case 'boolean':
      case 'text':
      case 'any':
        return tree.kind === 'scalar' && tree.substituted === true ? settle(tree, known.kind, known.optional) : tree;
    }
  }

  private visitMap(tree: MapTree, keys: ReadonlyMap<string, KeyTree>, pattern: string): Tree {
    const entries = new Map<string, MapEntry>();
    for (const [key, entry] of tree.entries) {
      const known = keys.get(key);
      const path = pattern === '' ? key : `${pattern}.${key}`;
      if (known === undefined) {
        // Looking for the nearest of each would be the most expensive step of all.
        if (this.errors.length > 2 * maxErrors) continue;
        this.report(entry, this.explainUnknown(key, [...keys.keys()]));
      } else {
        const value = this.visit(entry.value, known, path);
        if (value !== undefined) entries.set(key, { at: entry.at, value });
      }
    }
    return { ...tree, entries };
  }

  private report(entry: MapEntry, message: string): void {
    this.errors.push(makeError(entry.at, entry.value.path, message));
  }

  private explainUnknown(key: string, siblings: readonly string[]): string {
    const unknown = `unknown key ${quote(key)}`;
    this.places ??= placesOf(this.root);
    const elsewhere = this.places.get(key);
    if (elsewhere !== undefined) return `${unknown} here; it belongs into ${elsewhere.slice(0, 3).join(' or ')}`;
    const close = nearest(key, siblings);
    if (close !== undefined) return `${unknown}; did you mean ${quote(close)}?`;
    return `${unknown}; known here: ${siblings.join(', ')}`;
  }
}

/** Reads text that came from `${NAME}` as what the key wants; empty text where a key may be left out leaves it out. */
function settle(tree: Tree & { kind: 'scalar' }, kind: 'number' | 'boolean' | 'text' | 'any', optional: boolean): Tree | undefined {
  const text = String(tree.value);
  if (text === '' && optional) return undefined;
  if (kind === 'number' && /^\d{1,15}$/.test(text)) return { ...tree, value: Number(text) };
  if (kind === 'boolean' && (text === 'true' || text === 'false')) return { ...tree, value: text === 'true' };
  return tree;
}

/** Where each key of the file may stand. */
function placesOf(root: KeyTree): Map<string, string[]> {
  const places = new Map<string, string[]>();
  const visit = (tree: KeyTree, path: string): void => {
    if (tree.kind === 'list' && path !== 'overrides') visit(tree.item, `${path}[]`);
    if (tree.kind !== 'map') return;
    for (const [key, inner] of tree.keys) {
      places.set(key, [...(places.get(key) ?? []), path === '' ? 'the top level' : path]);
      visit(inner, path === '' ? key : `${path}.${key}`);
    }
  };
  visit(root, '');
  return places;
}
