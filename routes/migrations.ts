import type { RouteAttributes } from '../bgp/route.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import type { AddressKey } from './loc-rib.ts';

/** One line of a timeline: what was seen, and when (monotonic ms). Nothing is guessed: what was not seen has no line. */
export interface TimelineLine {
  readonly atMs: number;
  readonly event:
    | 'frame' | 'accepted' | 'held' | 'released' | 'announced' | 'written' | 'reflected' | 'source' | 'source-demoted' | 'source-gone'
    | 'demoted' | 'withdrawn' | 'settled' | 'superseded' | 'remote-claim' | 'port-gone' | 'deliverable' | 'undeliverable';
  readonly text: string;
  readonly peer?: string;
}

export type Direction = 'in' | 'out';

/** One address changing nodes, as this node saw it. */
export interface Migration {
  readonly id: string;
  /** Of the address, in the log of open handovers. */
  readonly key: AddressKey;
  readonly vrf: string;
  readonly address: IpAddress;
  readonly vm?: string;
  readonly mac?: Mac;
  readonly direction: Direction;
  /** Kernel time of the first frame or sign: zero of the timeline. */
  readonly startMs: number;
  readonly startWallMs: number;
  readonly seenBy: string;
  peerNode?: IpAddress;
  announcedAtMs?: number;
  reflectedAtMs?: number;
  sourceGoneAtMs?: number;
  withdrawnAtMs?: number;
  /** How long a shut policy gate held the claim, in milliseconds. */
  heldMs?: number;
  /** How long the claim waited for the first session, in milliseconds; left out: one was up. */
  waitedMs?: number;
  /** The node's own table delivers it; left out: not asked. */
  deliverable?: boolean;
  /** Our claim's sequence (in; 0 while there is none), or the one that was given up (out). */
  sequence: number;
  result: MigrationResult;
  readonly timeline: TimelineLine[];
  /** What went into the send buffers of peers in the pass that runs: lines are made of it when the bytes are out. */
  readonly sent: Sent[];
}

/** `active`: its UPDATEs are being written. `held`: frozen, or waiting for its gate. The last four are final. */
export type MigrationResult = 'active' | 'held' | 'announced' | 'leaving' | 'settled' | 'withdrawn' | 'superseded' | 'reclaimed';

export interface Sent {
  readonly peer: string;
  readonly ibgp: boolean;
  readonly atMs: number;
  /** Left out: a withdraw. */
  readonly attributes?: RouteAttributes;
}

/** The newest handovers, oldest out first; at most one is open per address. */
export interface MigrationLog {
  keep: number;
  readonly all: Migration[];
  readonly open: Map<AddressKey, Migration>;
  next: number;
}

/** So many more than {@link MigrationLog.keep} may be there for a while. */
const trimAtOnce = 64;
/** A timeline longer than this says no more than one of this length; later lines are dropped. */
const timelineLimit = 64;

export function newMigrationLog(keep: number, firstId: number): MigrationLog {
  return { keep, all: [], open: new Map(), next: firstId };
}

/** Opens a handover for the address key and closes the one that was open. */
export function openMigration(log: MigrationLog, key: AddressKey, migration: Omit<Migration, 'id' | 'key' | 'timeline' | 'result' | 'sent'>): Migration {
  const open: Migration = { ...migration, key, id: (log.next++).toString(36), result: 'active', timeline: [], sent: [] };
  log.open.set(key, open);
  log.all.push(open);
  // A few at a time, for each removal at the front moves all that is behind.
  if (log.all.length >= log.keep + trimAtOnce) {
    for (const old of log.all.splice(0, trimAtOnce)) if (log.open.get(old.key) === old) log.open.delete(old.key);
  }
  return open;
}

export function addLine(migration: Migration, now: Now | number, event: TimelineLine['event'], text: string, peer?: string): void {
  if (migration.timeline.length >= timelineLimit) return;
  const atMs = typeof now === 'number' ? now : now.monotonicMs;
  migration.timeline.push(peer === undefined ? { atMs, event, text } : { atMs, event, text, peer });
}
