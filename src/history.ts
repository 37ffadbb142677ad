import { parseIp, parsePrefix, prefixAddress } from '../net/ip.ts';
import { parseMac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import { addressKey } from '../routes/loc-rib.ts';
import type { Migration, MigrationLog, MigrationResult, TimelineLine } from '../routes/migrations.ts';
import { collectMigration } from './collect/migrations.ts';

const results: readonly string[] = ['active', 'held', 'announced', 'leaving', 'settled', 'withdrawn', 'superseded', 'reclaimed'] satisfies MigrationResult[];
const timelineLimit = 64;
const textLimit = 400;

/** One migration as a line of the history file: the same JSON as `show migration ID -o json`, with its sequence. */
export function formatHistoryLine(m: Migration): string {
  return JSON.stringify({ ...collectMigration(m), sequence: m.sequence });
}

/**
 * Takes up what an earlier life of the process wrote, so that `show migrations` spans restarts. Of several lines with one id the last
 * counts; a line that is no migration (cut by a crash, of another version) is left out. @returns how many lines were left out.
 */
export function restoreHistory(log: MigrationLog, lines: readonly string[], now: Now): number {
  const found = new Map<string, Migration>();
  let skipped = 0;
  for (const line of lines) {
    const m = parseHistoryLine(line, now);
    if (m === undefined) skipped += 1;
    else found.set(m.id, m);
  }
  const old = [...found.values()].sort((a, b) => a.startMs - b.startMs).slice(-log.keep);
  log.all.unshift(...old);
  return skipped;
}

/** Total: any text gives a migration or nothing. Times become monotonic ones of this life, before its beginning. */
export function parseHistoryLine(line: string, now: Now): Migration | undefined {
  let item: Record<string, unknown>;
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    item = value as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const text = (key: string): string | undefined => (typeof item[key] === 'string' && item[key].length <= textLimit ? item[key] : undefined);
  const number = (value: unknown): number | undefined => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);
  const prefix = parsePrefix(text('prefix') ?? '');
  // eslint-disable-next-line no-restricted-globals -- turns text into a number and reads no clock
  const startWallMs = Date.parse(text('startedAt') ?? '');
  const id = text('id');
  const result = text('result');
  const direction = text('direction');
  const vrf = text('vrf');
  if (id === undefined || !/^[a-z0-9]{1,64}$/.test(id) || prefix === undefined || !Number.isFinite(startWallMs) || vrf === undefined) return undefined;
  if ((direction !== 'in' && direction !== 'out') || result === undefined || !results.includes(result) || !Array.isArray(item['timeline'])) return undefined;
  const startMs = now.monotonicMs - (now.wallMs - startWallMs);
  const since = (key: string): number | undefined => {
    const seconds = number(item[key]);
    return seconds === undefined ? undefined : startMs + seconds * 1000;
  };
  const timeline: TimelineLine[] = [];
  for (const entry of (item['timeline'] as unknown[]).slice(0, timelineLimit)) {
    const { atSeconds, event, text: words, peer } = (entry ?? {}) as Record<string, unknown>;
    if (number(atSeconds) === undefined || typeof event !== 'string' || typeof words !== 'string') return undefined;
    timeline.push({ atMs: startMs + (atSeconds as number) * 1000, event: event as TimelineLine['event'], text: words.slice(0, textLimit), ...(typeof peer === 'string' ? { peer } : {}) });
  }
  const address = prefixAddress(prefix);
  const vm = text('vm');
  const mac = parseMac(text('mac') ?? '');
  const peerNode = parseIp(text('peerNode') ?? '');
  const deliverable = typeof item['deliverable'] === 'boolean' ? item['deliverable'] : undefined;
  const optional = {
    deliverable,
    vm, mac, peerNode, announcedAtMs: since('announceSeconds'), reflectedAtMs: since('reflectedSeconds'),
    sourceGoneAtMs: since('sourceGoneSeconds'), withdrawnAtMs: since('withdrawnSeconds'), heldMs: number(item['heldSeconds']) === undefined ? undefined : (item['heldSeconds'] as number) * 1000,
  };
  return {
    id, key: addressKey(vrf, address), vrf, address, direction, startMs, startWallMs, seenBy: text('seenBy') ?? 'none', sequence: number(item['sequence']) ?? 0,
    result: result as MigrationResult, timeline, sent: [], ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as object),
  };
}
