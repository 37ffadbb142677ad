/** A counter for each combination of words, kept as plain numbers. Who counts sees to it that there are few combinations. */
export type Counts = Map<string, number>;

/** No word that is counted has it: names of peers and bridges are checked, the other words are our own. */
const separator = '\0';

export function count(counts: Counts, a: string, b: string, c = ''): void {
  const key = `${a}${separator}${b}${separator}${c}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export function countOf(counts: Counts, a: string, b: string, c = ''): number {
  return counts.get(`${a}${separator}${b}${separator}${c}`) ?? 0;
}

/** The words of each combination that was counted. */
export function* combinations(counts: Counts): Generator<{ readonly words: readonly [string, string, string]; readonly value: number }> {
  for (const [key, value] of counts) yield { words: key.split(separator) as [string, string, string], value };
}
