import { entryValue, type EntryId, type KernelEntry } from './entries.ts';

/** What the kernel has under the ids that concern us. */
export interface Present {
  /** What bears our protocol number, as {@link entryValue} compares it once next hops are resolved. */
  readonly own: ReadonlyMap<EntryId, string>;
  /** What somebody else made, with the number of its protocol. */
  readonly foreign: ReadonlyMap<EntryId, number>;
}

export type Action = 'add' | 'replace' | 'remove' | 'conflict' | 'none';

/** What is to be done about one id: wanted − present. What somebody else owns is never touched. */
export function actionFor(id: EntryId, wanted: KernelEntry | undefined, value: string | undefined, present: Present): Action {
  const own = present.own.get(id);
  if (wanted === undefined) return own === undefined ? 'none' : 'remove';
  if (present.foreign.has(id)) return own === undefined ? 'conflict' : 'remove';
  if (own === undefined) return 'add';
  return own === (value ?? entryValue(wanted)) ? 'none' : 'replace';
}
