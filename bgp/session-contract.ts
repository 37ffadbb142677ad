import type { Family, IpAddress } from '../net/ip.ts';
import type { BgpRole, CodecContext, Capability, UpdateMessage, UpdateProblem, NotificationMessage } from './wire/messages.ts';

/** What one session needs to know; built by the daemon from the configuration. Passwords never enter: they are set on the socket. */
export interface SessionOptions {
  readonly peer: string;
  readonly localAsn: number;
  readonly peerAsn: number;
  readonly bgpIdentifier: IpAddress;
  readonly families: readonly Family[];
  /** 0 (no timers) or 3…65535. */
  readonly holdSeconds: number;
  /** At most a third of the agreed Hold Time is used (RFC 4271 section 4.4). */
  readonly keepaliveSeconds: number;
  readonly connectRetrySeconds: number;
  /** We never dial; the peer connects to us. */
  readonly passive: boolean;
  /** How long the peer may take none of what we have to say (RFC 9687). Default: 8 minutes, or twice the Hold Time where that is longer. */
  readonly sendHoldSeconds?: number;
  /** Our role towards the peer (RFC 9234); sent, and checked against the peer's. */
  readonly role?: BgpRole;
  /** We take, and may send, IPv4 routes with an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: boolean;
  /** We take several routes for a prefix (RFC 7911). */
  readonly addPath?: boolean;
  /**
   * Capability 64 is sent; `restarting` sets the R bit until the session is Established for the first time in the life of the process.
   * `forwardingPreserved`: the F bits of those OPENs; later ones always say that the node went on forwarding, for it did.
   */
  readonly gracefulRestart?: { readonly restartTimeSeconds: number; readonly restarting: boolean; readonly forwardingPreserved: boolean };
}

/** Names one TCP connection of a session; unique for the life of the process. A session can hold two for a moment (RFC 4271 section 6.8). */
export type ConnectionId = number;

export type SessionInput =
  | { readonly type: 'start' } // ManualStart
  /** ManualStop: Cease with `subcode` (RFC 4486; 2 Administrative Shutdown) and a message (RFC 9003), then stays Idle. `silent`: close without a NOTIFICATION (Graceful Restart). */
  | { readonly type: 'stop'; readonly subcode: number; readonly message?: string; readonly silent?: boolean }
  /** AutomaticStop: something else knows that the peer is gone. Cease with `subcode` (RFC 9384: 10, BFD Down); tries again later. */
  | { readonly type: 'fail'; readonly subcode: number; readonly text: string }
  /** TCP came up on a connection that we dialled. */
  | { readonly type: 'connected'; readonly connection: ConnectionId; readonly localAddress: IpAddress }
  /** The listener took a connection from this peer's address. */
  | { readonly type: 'accepted'; readonly connection: ConnectionId; readonly localAddress: IpAddress }
  | { readonly type: 'data'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** TCP failed or was closed by the peer. `error` in words: `ECONNREFUSED`, `closed by peer`. */
  | { readonly type: 'closed'; readonly connection: ConnectionId; readonly error?: string }
  /** The kernel has not taken all that was written (`unsent`), has taken some more of it, or has it all. */
  | { readonly type: 'written'; readonly connection: ConnectionId; readonly unsent: boolean }
  /** Established only: these messages, in order. `refreshing`: they are all routes of these families, as the peer asked (RFC 7313). */
  | { readonly type: 'send'; readonly updates: readonly UpdateMessage[]; readonly refreshing?: readonly Family[] }
  /** Ask the peer to send its routes of a family again (RFC 2918). */
  | { readonly type: 'refresh'; readonly family: Family }
  /** Some deadline may have passed. Harmless when none has. */
  | { readonly type: 'tick' };

export type SessionOutput =
  | { readonly type: 'dial'; readonly connection: ConnectionId }
  | { readonly type: 'write'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** Closes after what was written has gone out. */
  | { readonly type: 'close'; readonly connection: ConnectionId }
  | { readonly type: 'established' }
  /** `lost`: the connection failed, and no NOTIFICATION was sent or received (RFC 4724 section 5). */
  | { readonly type: 'down'; readonly reason: string; readonly lost: boolean }
  | { readonly type: 'update'; readonly update: UpdateMessage }
  /** The peer asks for our routes of a family again. */
  | { readonly type: 'refreshRequested'; readonly family: Family }
  /** The peer begins to send all its routes of a family again, or has sent them: what it did not send is gone (RFC 7313). */
  | { readonly type: 'refreshBegins' | 'refreshEnds'; readonly family: Family }
  /** `transition`, `notification` (direction, code, subcode, text), `error` (text). Becomes logs, events and counters. */
  | { readonly type: 'note'; readonly note: SessionNote };

export type SessionNote =
  | { readonly event: 'session.transition'; readonly from: FsmState; readonly to: FsmState; readonly cause: string }
  | { readonly event: 'notification.sent' | 'notification.received'; readonly notification: NotificationMessage; readonly text: string }
  | { readonly event: 'session.problem'; readonly text: string };

/** RFC 4271 section 8.2.2. */
export type FsmState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

/** What the OPEN exchange settled; there while Established. */
export interface Negotiated {
  readonly context: CodecContext;
  readonly families: readonly Family[];
  readonly holdTimeSeconds: number;
  readonly keepaliveSeconds: number;
  readonly remoteIdentifier: IpAddress;
  readonly routeRefresh: boolean;
  /** RFC 7313. */
  readonly enhancedRouteRefresh: boolean;
  readonly remoteCapabilities: readonly Capability[];
  readonly localAddress: IpAddress;
  readonly connection: ConnectionId;
}

/** What others may read of a session's state (the rest of `SessionState` is private to `session.ts`). */
export interface SessionView {
  readonly options: SessionOptions;
  readonly fsm: FsmState;
  readonly sinceMs: number; // wall
  readonly negotiated?: Negotiated;
  /** By name, kept over later resets until the session is Established again and beyond: `Bad Peer AS (2/2): it says 65011`. */
  readonly lastError?: { readonly text: string; readonly atMs: number };
  /** UPDATEs with errors that did not cost the session (RFC 7606), by what they did cost. */
  readonly damaged: Readonly<Record<UpdateProblem['handling'], number>>;
  readonly messages: { readonly sent: Readonly<Record<string, number>>; readonly received: Readonly<Record<string, number>> };
}
// session.ts exports:
//   createSession(options: SessionOptions): SessionState          (SessionState extends SessionView)
//   stepSession(state: SessionState, input: SessionInput, now: Now, random: () => number, newConnection: () => ConnectionId): { state: SessionState; outputs: SessionOutput[] }
//   sessionDeadline(state: SessionState): number | undefined       (monotonic ms)
