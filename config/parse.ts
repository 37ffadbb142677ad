import { printable } from '../net/printable.ts';
import type { Config, SecretSource } from './config.ts';
import { type PlacedBinding, checkBindings, checkIdentity } from './checks/bindings.ts';
import { checkPeers } from './checks/peers.ts';
import { Report } from './checks/report.ts';
import { checkWatches } from './checks/watches.ts';
import { type Environment, substitute } from './environment.ts';
import { type Labels, makeConfig, selects } from './effective.ts';
import { type ConfigError, makeError, tidyErrors } from './errors.ts';
import { type KeyTree, checkKeys } from './keys.ts';
import { readYaml } from './yaml-text.ts';
import { type Draft, type DraftBinding, type Problem, bindingListKeys, checkBindingList, checkOverride, checkRoot, rootKeys } from './schema.ts';
import { type MapTree, type Path, type Tree, child, emptyMap, locate, lookUp, merge, replaceAt, toPlain, without } from './tree.ts';

export interface ParseOptions {
  /** How messages name the file. */
  readonly file?: string;
  readonly environment: Environment;
  /** The node's name where the file gives none. */
  readonly hostName: string;
  /** The text of `identity.bindingsFile`, where the caller has read it. */
  readonly bindingsText?: string;
  /** Labels of the Node object; they count where `kubernetes.enabled`. */
  readonly nodeLabels?: Labels;
}

export interface ParseResult {
  /** Deeply frozen. Missing exactly if there are errors. */
  readonly config?: Config;
  readonly errors: readonly ConfigError[];
  readonly warnings: readonly ConfigError[];
  /** What the file names, also where it has errors: the caller reads it and parses again. */
  readonly bindingsFile?: string;
  /** Where the keys of this node's peers are kept, for the caller to look at. */
  readonly keys: readonly KeyPlace[];
}

export interface KeyPlace {
  readonly peer: string;
  readonly source: SecretSource;
  /** Where the configuration names it; `message` is empty. */
  readonly place: ConfigError;
}

/**
 * Text → the effective configuration of this node, or everything that is wrong with it. Pure; never throws, whatever the text.
 * Order: YAML, `${NAME}`, keys, `overrides` that match the node's labels, values, `nodeSelector`, what must hold between keys.
 */
export function parseConfig(text: string, options: ParseOptions): ParseResult {
  const errors: ConfigError[] = [];
  const warnings: ConfigError[] = [];
  const finish = (config?: Config, bindingsFile?: string, keys: readonly KeyPlace[] = []): ParseResult => {
    const tidy = tidyErrors(errors);
    return {
      ...(config !== undefined && tidy.length === 0 ? { config } : {}), errors: tidy, warnings: tidyErrors(warnings), keys,
      ...(bindingsFile === undefined ? {} : { bindingsFile }),
    };
  };
  const whole = readTree({ text, file: options.file }, options.environment, rootKeys, errors);
  if (whole === undefined) return finish();
  if (whole.kind !== 'map') {
    errors.push(makeError(whole.at, '', whole.kind === 'scalar' && whole.value === null ? 'the file is empty' : 'the file must consist of keys and values'));
    return finish();
  }

  const overrides = checkOverrides(whole, errors);
  const base = without(whole, ['overrides']);
  const labels = { ...(isOnKubernetes(base) ? options.nodeLabels : {}), ...labelsOf(base) };
  const effective = overrides.filter(({ selector }) => selects(selector, labels)).reduce<Tree>((tree, { changes }) => merge(tree, changes), base);
  const fromFile = readBindings(options, bindingsFileOf(effective), errors);
  const { draft, complete, tree } = checkValues(effective, errors);
  const bindingsFile = bindingsFileOf(effective);
  if (draft !== undefined) {
    const report = new Report(tree);
    const found = [...placeBindings(draft.identity.bindings, ['identity', 'bindings'], report, 'identity.bindings'), ...fromFile.placed];
    checkPeers(draft, labels, report);
    checkWatches(draft, labels, report);
    checkBindings(found, draft.watch, new Set(draft.identity.shared));
    if (fromFile.known) checkIdentity(draft, found.length, report);
    errors.push(...report.errors, ...(fromFile.report?.errors ?? []));
    if (complete) warnings.push(...report.warnings, ...(fromFile.report?.warnings ?? []));
  } else {
    checkBindings(fromFile.placed, undefined, undefined);
    errors.push(...(fromFile.report?.errors ?? []));
  }
  // What an override makes of the file elsewhere: its mistakes should show here and now, not on the first node it matches.
  if (draft !== undefined && complete) {
    for (const { selector, changes } of overrides) if (!selects(selector, labels)) checkElsewhere(merge(base, changes), { ...labels, ...selector }, selector, errors);
  }
  if (draft === undefined) return finish(undefined, bindingsFile);
  const keys = placeKeys(draft, labels, tree);
  if (!complete || errors.length > 0) return finish(undefined, bindingsFile, keys);
  const name = draft.node.name ?? options.hostName;
  return finish(makeConfig(draft, { name, labels }, fromFile.bindings), bindingsFile, keys);
}

function placeKeys(draft: Draft, labels: Labels, tree: Tree): KeyPlace[] {
  return draft.bgp.peers.flatMap(({ name, password, tcpAo, nodeSelector }, index) => {
    if (!selects(nodeSelector, labels)) return [];
    const keyAt = (source: unknown, below: readonly (string | number)[]): KeyPlace => {
      const { at, path } = locate(tree, ['bgp', 'peers', index, ...below]);
      return { peer: name, source: source as SecretSource, place: makeError(at, path, '') };
    };
    return [...(password === undefined ? [] : [keyAt(password, ['password'])]), ...(tcpAo?.keys ?? []).map(({ key }, i) => keyAt(key, ['tcpAo', 'keys', i, 'key']))];
  });
}

function readTree(source: { readonly text: string; readonly file: string | undefined }, environment: Environment, known: KeyTree, errors: ConfigError[]): Tree | undefined {
  const raw = readYaml(source, errors);
  return raw === undefined ? undefined : checkKeys(substitute(raw, environment, errors), known, errors);
}

interface Override {
  readonly selector: Labels;
  readonly changes: MapTree;
}

/** The overrides that are well-formed; what is wrong with the others becomes errors. */
function checkOverrides(whole: MapTree, errors: ConfigError[]): Override[] {
  const list = child(whole, 'overrides');
  if (list?.kind !== 'list') return [];
  const found: Override[] = [];
  for (const item of list.items.slice(0, 64)) {
    const { problems } = checkOverride(toPlain(item));
    report(item, problems, errors);
    if (problems.length > 0 || item.kind !== 'map') continue;
    found.push({ selector: toPlain(child(item, 'nodeSelector') as Tree) as Labels, changes: without(item, ['nodeSelector']) });
  }
  return found;
}

function report(tree: Tree, problems: readonly Problem[], errors: ConfigError[]): void {
  const at = new Report(tree);
  for (const { path, message } of problems) at.error(path, message);
  errors.push(...at.errors);
}

/** The labels as the file has them; what is no text is an error that `checkRoot` names. */
function labelsOf(base: MapTree): Labels {
  const labels = lookUp(base, ['node', 'labels']);
  if (labels?.kind !== 'map') return {};
  return Object.fromEntries([...labels.entries].flatMap(([key, { value }]) => (value.kind === 'scalar' && typeof value.value === 'string' ? [[key, value.value]] : [])));
}

/** Before `overrides` are looked at, which depend on the labels. */
function isOnKubernetes(base: MapTree): boolean {
  const enabled = lookUp(base, ['kubernetes', 'enabled']);
  return enabled?.kind === 'scalar' && enabled.value === true;
}

function bindingsFileOf(tree: Tree): string | undefined {
  const file = lookUp(tree, ['identity', 'bindingsFile']);
  return file?.kind === 'scalar' && typeof file.value === 'string' && file.value.startsWith('/') ? file.value : undefined;
}

/** The lists whose elements stand alone: the others can be checked without those that have errors. */
const lists: readonly Path[] = [['bgp', 'peers'], ['watch'], ['identity', 'bindings']];

/**
 * The draft of all that is right. `complete` is false where elements of {@link lists} had to be left out; any other error leaves no draft.
 */
function checkValues(tree: Tree, errors: ConfigError[]): { readonly draft: Draft | undefined; readonly complete: boolean; readonly tree: Tree } {
  const { value, problems } = checkRoot(toPlain(tree));
  if (value !== undefined) return { draft: value, complete: true, tree };
  report(tree, problems, errors);
  let rest = tree;
  for (const path of lists) {
    const bad = new Set(problems.filter((problem) => path.every((key, depth) => problem.path[depth] === key)).map((problem) => problem.path[path.length]));
    if (bad.size === 0) continue;
    rest = replaceAt(rest, path, (list) => (list.kind === 'list' ? { ...list, items: list.items.filter((_, index) => !bad.has(index)) } : list));
  }
  return { draft: rest === tree ? undefined : checkRoot(toPlain(rest)).value, complete: false, tree: rest };
}

function checkElsewhere(tree: Tree, labels: Labels, selector: Labels, errors: ConfigError[]): void {
  // Bindings are the same everywhere, and many.
  const lighter = replaceAt(tree, ['identity'], (identity) => (identity.kind === 'map' ? without(identity, ['bindings']) : identity));
  const { draft, tree: checked } = checkValues(lighter, errors);
  if (draft === undefined) return;
  const findings = new Report(checked);
  checkPeers(draft, labels, findings);
  checkWatches(draft, labels, findings);
  const where = Object.entries(selector).map(([key, value]) => `${printable(key)}=${printable(value)}`).join(', ');
  errors.push(...findings.errors.map((error) => ({ ...error, message: `on nodes with ${where}: ${error.message}` })));
}

interface FileBindings {
  readonly bindings: readonly DraftBinding[];
  readonly placed: readonly PlacedBinding[];
  readonly report: Report | undefined;
  /** False where a file is named whose text we don't have. */
  readonly known: boolean;
}

/** The bindings file: a list of the same shape as `identity.bindings`. Elements with errors are left out, so that the others are checked. */
function readBindings(options: ParseOptions, file: string | undefined, errors: ConfigError[]): FileBindings {
  const nothing = { bindings: [], placed: [], report: undefined };
  if (options.bindingsText === undefined) return { ...nothing, known: file === undefined };
  const tree = readTree({ text: options.bindingsText, file: file ?? 'bindings' }, options.environment, bindingListKeys, errors);
  if (tree === undefined || (tree.kind === 'scalar' && tree.value === null)) return { ...nothing, known: tree !== undefined };
  const { value, problems } = checkBindingList(toPlain(tree));
  report(tree, problems, errors);
  const bad = new Set(problems.map((problem) => problem.path[0]));
  const rest = tree.kind === 'list' ? { ...tree, items: tree.items.filter((_, index) => !bad.has(index)) } : emptyMap(tree.at, tree.path);
  const bindings = value ?? checkBindingList(toPlain(rest)).value ?? [];
  const findings = new Report(rest);
  return { bindings, placed: placeBindings(bindings, [], findings, file ?? 'bindings file'), report: findings, known: true };
}

function placeBindings(bindings: readonly DraftBinding[], path: Path, report: Report, where: string): PlacedBinding[] {
  return bindings.map((binding, index) => ({ binding, path: [...path, index], report, name: `${where}[${index}]` }));
}
