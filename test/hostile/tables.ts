import type { Mode } from './case.ts';
import type { SpeakerKind } from './speakers.ts';

/** What a speaker did in one case. */
export interface Outcome {
  readonly speaker: SpeakerKind;
  readonly mode: Mode;
  readonly name: string;
  readonly rfc: string;
  readonly why: string;
  readonly ok: boolean;
  readonly did: string;
}

const titles: Record<SpeakerKind, string> = { landfall: 'landfall', bird: 'BIRD', frr: 'FRR', gobgp: 'GoBGP' };

/** The tables of docs/conformance.md: shares, and each case in which somebody did something else. */
export function conformanceTables(outcomes: readonly Outcome[]): string {
  const speakers = [...new Set(outcomes.map(({ speaker }) => speaker))];
  const of = (speaker: SpeakerKind, mode: Mode): readonly Outcome[] => outcomes.filter((one) => one.speaker === speaker && one.mode === mode);
  const share = (speaker: SpeakerKind, mode: Mode): string => {
    const all = of(speaker, mode);
    const right = all.filter(({ ok }) => ok).length;
    return all.length === 0 ? '-' : `${right} of ${all.length} (${((right / all.length) * 100).toFixed(1)} %)`;
  };
  const crashes = (speaker: SpeakerKind): number => outcomes.filter((one) => one.speaker === speaker && one.did === 'crashed').length;
  const lines = ['| | iBGP | eBGP | cases that killed it |', '| --- | --- | --- | --- |', ...speakers.map((speaker) => (
    `| ${titles[speaker]} | ${share(speaker, 'ibgp')} | ${share(speaker, 'ebgp')} | ${crashes(speaker)} |`)), ''];
  for (const mode of ['ibgp', 'ebgp'] as const) {
    const names = [...new Set(outcomes.filter((one) => one.mode === mode && !one.ok).map(({ name }) => name))];
    if (names.length === 0) continue;
    lines.push(`## Where somebody differs, ${mode === 'ibgp' ? 'iBGP' : 'eBGP'}`, '', 'An empty cell: as the RFC says.', '');
    lines.push(`| case | RFC | ${speakers.map((speaker) => titles[speaker]).join(' | ')} |`, `| --- | --- |${' --- |'.repeat(speakers.length)}`);
    for (const name of names) {
      const each = speakers.map((speaker) => of(speaker, mode).find((one) => one.name === name));
      const { rfc, why } = each.find((one) => one !== undefined) as Outcome;
      lines.push(`| ${name} | ${rfc}: ${why} | ${each.map((one) => (one === undefined ? '?' : one.ok ? '' : one.did)).join(' | ')} |`);
    }
    lines.push('');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
