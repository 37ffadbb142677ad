import type { Family, IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import type { BgpError } from './errors.ts';
import type { ConnectionId, FsmState, Negotiated, SessionOutput, SessionView } from './session-contract.ts';
import { Framer } from './wire/framer.ts';
import type { OpenMessage, UpdateMessage } from './wire/messages.ts';

/** One TCP connection and its FSM (RFC 4271 section 8.2.1). All times are monotonic milliseconds. */
export interface Machine {
  readonly state: FsmState;
  readonly connection?: ConnectionId;
  readonly localAddress?: IpAddress;
  /** We dialled it; otherwise the peer did. */
  readonly dialled: boolean;
  readonly framer: Framer;
  /** From the peer's OPEN on. */
  readonly negotiated?: Negotiated;
  readonly connectRetryAtMs?: number;
  readonly holdAtMs?: number;
  readonly keepaliveAtMs?: number;
  /** Runs while the kernel holds back what we wrote (RFC 9687). */
  readonly sendHoldAtMs?: number;
  /** When the absence of the peer's OPEN is worth a word, long before the Hold Timer ends it. */
  readonly silentAtMs?: number;
}

/** A session: the view that others have of it, and what only `session.ts` and its parts read. */
export interface SessionState extends SessionView {
  /** Dials, and in the end carries the session. */
  readonly first: Machine;
  /** A connection that the peer dialled meanwhile; which one stays is settled by section 6.8. */
  readonly second?: Machine;
  readonly stopped: boolean;
  /** When the next start is due (DampPeerOscillations). */
  readonly idleHoldAtMs?: number;
  /** OPENs that led nowhere, and sessions lost, since a session last lasted (see `back-off.ts`): the ConnectRetryCounter. */
  readonly failures: number;
  /** When the session was Established; there while it is. */
  readonly establishedAtMs?: number;
  /** The session was Established in the life of this process: it restarts no more. */
  readonly opened: boolean;
  /** When damaged UPDATEs were last told of, and how many since. */
  readonly damageNoted?: { readonly atMs: number; readonly untold: number };
  /** The last error that is more than a failure to connect; see `remember`. */
  readonly fault?: string;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
export type MachineDraft = Mutable<Machine>;

/** What one step of a session works on: copies, which become the new state. */
export interface Draft {
  readonly state: Mutable<Omit<SessionState, 'first' | 'second'>> & { first: MachineDraft; second?: MachineDraft };
  readonly outputs: SessionOutput[];
  readonly now: Now;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly newConnection: () => ConnectionId;
}

/** What an event brings along. */
export interface Carried {
  readonly error?: BgpError;
  readonly text?: string;
  readonly open?: OpenMessage;
  readonly update?: UpdateMessage;
  readonly refresh?: Extract<SessionOutput, { readonly family: Family }>;
  readonly cease?: { readonly subcode: number; readonly message?: string; readonly silent?: boolean };
}

export function newMachine(dialled: boolean): Machine {
  return { state: 'Idle', dialled, framer: new Framer() };
}
