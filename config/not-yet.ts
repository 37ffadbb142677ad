/**
 * Keys whose feature this version does not have. Whoever builds a feature takes its line out here and puts its keys into `schema/`.
 * `when: 'off'` values are accepted, for they ask for what happens anyway.
 */
export interface NotYet {
  /** `[]` stands for any element of a list. */
  readonly path: string;
  /** What it is, as the subject of "... does not exist in this version". */
  readonly feature: string;
  /** The value that means "not used": a plain value, or for a map the values that its keys may have. */
  readonly off?: OffValue;
}

export type OffValue =
  | { readonly value: string | number | boolean }
  | { readonly empty: true }
  /** These keys must have these values where they are there; the keys of `ignored` may say what they like. */
  | { readonly keys: Readonly<Record<string, OffValue>>; readonly ignored: readonly string[] };

export const notYet: readonly NotYet[] = [];

export function findNotYet(path: string): NotYet | undefined {
  return notYet.find((entry) => entry.path === path);
}

/** True if the value asks for nothing but what happens without the feature. */
export function isOff(off: OffValue | undefined, value: unknown): boolean {
  if (off === undefined) return false;
  if ('value' in off) return value === off.value;
  if ('empty' in off) return Array.isArray(value) && value.length === 0;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([key, inner]) => off.ignored.includes(key) || (Object.hasOwn(off.keys, key) && isOff(off.keys[key], inner)),
  );
}
