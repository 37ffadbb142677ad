/** What one check found. `fail`: something does not work, or will not; `warn`: it may not; `skip`: it can't be told here, and why. */
export interface Finding {
  readonly result: 'ok' | 'fail' | 'warn' | 'skip';
  /** One word, the same for all findings of a check. */
  readonly topic: string;
  /** What was seen, in words; printable once it has passed `printable`. */
  readonly text: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** How many findings of one kind are told one by one. */
const tellAtMost = 5;

export function ok(topic: string, text: string): Finding {
  return { result: 'ok', topic, text };
}

export function skip(topic: string, text: string): Finding {
  return { result: 'skip', topic, text };
}

export function warn(topic: string, text: string, fix?: string): Finding {
  return { result: 'warn', topic, text, ...(fix === undefined ? {} : { fix }) };
}

export function fail(topic: string, text: string, fix?: string): Finding {
  return { result: 'fail', topic, text, ...(fix === undefined ? {} : { fix }) };
}

/** Names in one line: the first few, and how many more there are. */
export function some(names: readonly string[], most = tellAtMost): string {
  return names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

/** The first few of many alike findings, and one that counts the rest. */
export function atMost(findings: readonly Finding[], more: (count: number) => Finding, most = tellAtMost): Finding[] {
  return findings.length <= most ? [...findings] : [...findings.slice(0, most), more(findings.length - most)];
}
