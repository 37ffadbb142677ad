import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import type { LearnedPair } from '../identity/learned.ts';
import { clockSequence, highestSequence } from './claim.ts';
import type { Endpoint, Handover, Source } from './handover.ts';

// What one life of the speaker leaves to the next. As text: memory-text.ts. Back into handovers: recall.ts.

/**
 * How far the ceiling on disk is above the highest sequence that was seen. Nothing waits for the disk: a life that ends before its
 * last sequences were written has used none above the ceiling, and the next one starts there.
 */
export const ceilingLead = 64;

/** A claim's port as it was: the same ifindex and MAC in the same boot are the same port. */
export interface RememberedEndpoint extends Endpoint {
  readonly port: string;
  readonly portMac?: Mac;
}

export interface RememberedAddress {
  readonly vrf: string;
  readonly address: IpAddress;
  /** `claimed`: elevated or normal. `held`: frozen, see `hold`. `none`: nothing was announced. */
  readonly state: 'claimed' | 'leaving' | 'manual' | 'held' | 'none';
  readonly source: Source;
  /** Of the claim that stood, or stood last; 0: there was none. */
  readonly sequence: number;
  readonly highestSeen: number;
  /** No sequence above it was used; equal to `highestSeen` after a stop in good order. */
  readonly ceiling: number;
  /** Of profile `ladder`; 0 is left out. */
  readonly step?: number;
  readonly claimedWallMs?: number;
  readonly endpoint?: RememberedEndpoint;
  readonly manual?: { readonly mode: 'announce' | 'withdraw'; readonly untilWallMs?: number };
  /** `level` `elevated`: the one that stands by its claim. */
  readonly hold?: { readonly why: 'flap' | 'conflict'; readonly level?: 'elevated'; readonly untilWallMs?: number };
}

export type RememberedPair = Pick<LearnedPair, 'vrf' | 'vlan' | 'mac' | 'address' | 'ifindex' | 'pinned'> & {
  readonly firstHeardWallMs: number;
  readonly lastHeardWallMs: number;
};

export interface Memory {
  readonly node: string;
  /** Of the kernel's boot: ifindexes mean something within one boot only. */
  readonly bootId: string;
  readonly writtenMs: number;
  /** Maintenance (`drain`) was on. */
  readonly drained?: true;
  readonly addresses: readonly RememberedAddress[];
  readonly learned: readonly RememberedPair[];
  /** Records that could not be read. */
  readonly refused: number;
}

/** What the kernel says about its own life. */
export interface BootFacts {
  /** Empty where it says nothing. */
  readonly id: string;
  readonly uptimeSeconds: number;
}

/** What waits for its policy gate is told again, or asked for: only what the routers have of it is kept. */
function stateOf({ state, hold }: Handover): RememberedAddress['state'] {
  if (state === 'held' && hold?.why === 'gate') return hold.level === 'elevated' ? 'claimed' : hold.level === 'leaving' ? 'leaving' : 'none';
  if (state === 'elevated' || state === 'normal') return 'claimed';
  return state === 'withdrawn' ? 'none' : state;
}

/** The record of an address, or `undefined` where there is nothing that the clock alone would not give back. */
export function rememberAddress(
  h: Handover, now: Now, { port, step, final }: { readonly port?: { readonly name: string; readonly mac?: Mac } | undefined; readonly step?: number | undefined; readonly final: boolean },
): RememberedAddress | undefined {
  const state = stateOf(h);
  const frozen = state === 'held' ? h.hold : undefined;
  if (state === 'none' && (h.highestSeen === 0 || (now.wallTrusted && h.highestSeen < clockSequence(now)))) return undefined;
  const wall = (monotonicMs: number): number => Math.round(now.wallMs - (now.monotonicMs - monotonicMs));
  return {
    vrf: h.vrf, address: h.address, state, source: h.source, sequence: h.sequence, highestSeen: h.highestSeen,
    ceiling: final ? h.highestSeen : Math.min(highestSequence, h.highestSeen + ceilingLead),
    ...(step === undefined || step === 0 ? {} : { step }),
    ...(Number.isFinite(h.claimedAtMs) ? { claimedWallMs: wall(h.claimedAtMs) } : {}),
    ...(h.endpoint === undefined || state === 'none' ? {} : {
      endpoint: { ...h.endpoint, port: port?.name ?? '', ...(port?.mac === undefined ? {} : { portMac: port.mac }) },
    }),
    ...(frozen === undefined || frozen.why === 'gate' ? {} : {
      hold: {
        why: frozen.why, ...(frozen.level === 'elevated' ? { level: frozen.level } : {}),
        ...(frozen.untilMs === undefined ? {} : { untilWallMs: wall(frozen.untilMs) }),
      },
    }),
    ...(h.manual === undefined ? {} : {
      manual: { mode: h.manual.mode, ...(h.manual.untilMs === undefined ? {} : { untilWallMs: wall(h.manual.untilMs) }) },
    }),
  };
}

export function rememberPair(pair: LearnedPair, now: Now): RememberedPair {
  const { vrf, vlan, mac, address, ifindex, pinned } = pair;
  const wall = (monotonicMs: number): number => Math.round(now.wallMs - (now.monotonicMs - monotonicMs));
  return { vrf, vlan, mac, address, ifindex, pinned, firstHeardWallMs: wall(pair.firstHeardMs), lastHeardWallMs: wall(pair.lastHeardMs) };
}
