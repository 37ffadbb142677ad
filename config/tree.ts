import type { Position } from './errors.ts';

/** A YAML value that knows its place and the path by which the operator knows it. */
export type Tree = ScalarTree | MapTree | ListTree;

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly at: Position;
  readonly path: string;
  /** True if it came from `${NAME}`: then it may stand for a number or a truth value. */
  readonly substituted?: boolean;
}

export interface MapTree {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly at: Position;
  readonly path: string;
}

export interface MapEntry {
  /** Where the key stands. */
  readonly at: Position;
  readonly value: Tree;
}

export interface ListTree {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly at: Position;
  readonly path: string;
}

export type Path = readonly (string | number)[];

/** `bgp.peers[0].asn` */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

export function emptyMap(at: Position, path: string): MapTree {
  return { kind: 'map', entries: new Map(), at, path };
}

/** The value under a key of a map; `undefined` for anything that has none. */
export function child(tree: Tree | undefined, key: string | number): Tree | undefined {
  if (tree?.kind === 'map') return tree.entries.get(String(key))?.value;
  if (tree?.kind === 'list' && typeof key === 'number') return tree.items[key];
  return undefined;
}

export function lookUp(tree: Tree, path: Path): Tree | undefined {
  let here: Tree | undefined = tree;
  for (const key of path) here = child(here, key);
  return here;
}

/**
 * Where a path leads: the value's place, or that of the key that names it (`atKey`). Where it ends early (a key was left out) it is
 * the place of the nearest that is there.
 */
export function locate(tree: Tree, path: Path): { readonly at: Position; readonly path: string } {
  let here = tree;
  let at = tree.at;
  let text = tree.path;
  for (const [depth, key] of path.entries()) {
    const next = child(here, key);
    if (next === undefined) return { at, path: path.slice(depth).reduce<string>(joinPath, text) };
    at = here.kind === 'map' ? (here.entries.get(String(key)) as MapEntry).at : next.at;
    if (next.kind === 'scalar') at = next.at;
    text = next.path;
    here = next;
  }
  return { at, path: text };
}

/** The plain JavaScript value. Maps become objects without a prototype. */
export function toPlain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(toPlain);
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, { value }] of tree.entries) object[key] = toPlain(value);
  return object;
}

/** `over` laid upon `base`: maps are merged key by key, lists and single values are replaced. */
export function merge(base: Tree, over: Tree): Tree {
  if (base.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    entries.set(key, below === undefined ? entry : { at: entry.at, value: merge(below.value, entry.value) });
  }
  return { ...base, entries };
}

/** The map without some of its keys. */
export function without(tree: MapTree, keys: readonly string[]): MapTree {
  if (!keys.some((key) => tree.entries.has(key))) return tree;
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => !keys.includes(key))) };
}

/** The tree with the value at `path` replaced; nothing changes where the path leads nowhere. */
export function replaceAt(tree: Tree, path: Path, change: (value: Tree) => Tree): Tree {
  const [key, ...rest] = path;
  if (key === undefined) return change(tree);
  const next = child(tree, key);
  if (next === undefined) return tree;
  const value = replaceAt(next, rest, change);
  if (tree.kind === 'list') return { ...tree, items: tree.items.map((item, index) => (index === key ? value : item)) };
  if (tree.kind !== 'map') return tree;
  const entries = new Map(tree.entries);
  entries.set(String(key), { ...(entries.get(String(key)) as MapEntry), value });
  return { ...tree, entries };
}
