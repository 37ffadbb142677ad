/** What a probe saw, as plain values: one pair for each packet, when it was sent and when its answer came (wall clock, ms). */
export type ProbeSample = [sentAt: number, answeredAt: number | null];

export interface Gap {
  /** Packets that were sent and never answered. */
  readonly lost: number;
  readonly sent: number;
  /** Longest time between two answers, ms; it includes the VM's own pause. */
  readonly longestSilenceMs: number;
  /** When that silence began and ended, wall clock. */
  readonly from?: number;
  readonly to?: number;
}

/** The gap in the samples of one move. */
export function measureGap(samples: readonly ProbeSample[]): Gap {
  const answers = samples.flatMap(([, at]) => (at === null ? [] : [at])).sort((a, b) => a - b);
  let longest: { ms: number; from: number; to: number } | undefined;
  for (let i = 1; i < answers.length; i++) {
    const from = answers[i - 1] as number;
    const to = answers[i] as number;
    if (longest === undefined || to - from > longest.ms) longest = { ms: to - from, from, to };
  }
  return {
    sent: samples.length,
    lost: samples.length - answers.length,
    longestSilenceMs: longest?.ms ?? Number.POSITIVE_INFINITY,
    ...(longest === undefined ? {} : { from: longest.from, to: longest.to }),
  };
}

/** When the first answer came to a packet that was sent at `from` or later; undefined when none did. */
export function firstAnswer(samples: readonly ProbeSample[], from: number): number | undefined {
  return samples.find(([sentAt, answeredAt]) => sentAt >= from && answeredAt !== null)?.[1] ?? undefined;
}
