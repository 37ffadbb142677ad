import { bfdTransitions, type BfdEvent } from './fsm.ts';
import { diagnostics, type BfdState, type ControlPacket } from './wire/control-packet.ts';

export interface BfdOptions {
  /** Ours; unique in the process, not 0. */
  readonly discriminator: number;
  /** How often we would like to send, while the session is up. */
  readonly minTxMs: number;
  /** How often we are able to hear. */
  readonly minRxMs: number;
  /** So many packets of ours may be lost, 1…255. */
  readonly multiplier: number;
}

/** One session, RFC 5880 section 6.8.1. Times are monotonic milliseconds. */
export interface BfdSession {
  readonly options: BfdOptions;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly remoteState: BfdState;
  readonly remoteDiagnostic: number;
  /** 0: not known. */
  readonly remoteDiscriminator: number;
  readonly remoteDemand: boolean;
  readonly remoteMinTxMs: number;
  /** 0: it wants no packets. */
  readonly remoteMinRxMs: number;
  readonly remoteMultiplier: number;
  /** What our packets say, and what counts until the neighbor has confirmed it (section 6.8.3). */
  readonly desiredMinTxMs: number;
  readonly usedMinTxMs: number;
  readonly usedMinRxMs: number;
  /** A Poll Sequence is under way. */
  readonly polling: boolean;
  readonly sendAtMs?: number;
  readonly detectAtMs?: number;
}

export type BfdInput =
  | { readonly type: 'packet'; readonly packet: ControlPacket }
  /** New intervals or multiplier. */
  | { readonly type: 'change'; readonly options: BfdOptions }
  /** AdminDown, and back. */
  | { readonly type: 'disable' | 'enable' }
  /** Some deadline may have passed. Packets that wait in a socket must be given before. */
  | { readonly type: 'tick' };

export type BfdOutput =
  | { readonly type: 'send'; readonly packet: ControlPacket }
  | { readonly type: 'state'; readonly from: BfdState; readonly to: BfdState };

/** Section 6.8.3: while the session is not up, packets are at least so far apart. */
const slowMs = 1000;
/** Section 6.8.1: bfd.RemoteMinRxInterval before the neighbor says one, 1 µs. */
const anyPaceMs = 0.001;

type Draft = { -readonly [Key in keyof BfdSession]: BfdSession[Key] };

/** A session in state Down that sends at once. */
export function createBfdSession(options: BfdOptions, nowMs: number): BfdSession {
  return {
    options, state: 'Down', diagnostic: diagnostics.none, remoteState: 'Down', remoteDiagnostic: 0, remoteDiscriminator: 0, remoteDemand: false,
    remoteMinTxMs: 0, remoteMinRxMs: anyPaceMs, remoteMultiplier: 0, desiredMinTxMs: Math.max(slowMs, options.minTxMs),
    usedMinTxMs: Math.max(slowMs, options.minTxMs), usedMinRxMs: options.minRxMs, polling: false, sendAtMs: nowMs,
  };
}

/** One input, one new session, what is to be done. `random`: 0 ≤ x < 1. */
export function stepBfd(session: BfdSession, input: BfdInput, nowMs: number, random: () => number): { session: BfdSession; outputs: BfdOutput[] } {
  const draft: Draft = { ...session };
  const outputs: BfdOutput[] = [];
  const before = session.state;
  let answer = false;
  switch (input.type) {
    case 'packet':
      if (draft.state !== 'AdminDown') answer = receive(draft, input.packet, nowMs);
      break;
    case 'change':
      change(draft, input.options);
      break;
    case 'disable':
      move(draft, 'Disable');
      break;
    case 'enable':
      move(draft, 'Enable');
      break;
    case 'tick':
      if (draft.detectAtMs !== undefined && draft.detectAtMs <= nowMs) silence(draft);
      break;
  }
  if (draft.state !== before) outputs.push({ type: 'state', from: before, to: draft.state });
  const due = draft.sendAtMs !== undefined && draft.sendAtMs <= nowMs;
  // A change of state is told at once; a Poll is answered at once.
  if (answer || draft.state !== before || (due && sendsPeriodically(draft))) outputs.push({ type: 'send', packet: packetOf(draft, answer) });
  plan(draft, nowMs, random, due || draft.state !== before);
  return { session: draft, outputs };
}

/** The earliest deadline, monotonic ms. */
export function bfdDeadline({ sendAtMs, detectAtMs }: BfdSession): number | undefined {
  return sendAtMs === undefined ? detectAtMs : detectAtMs === undefined ? sendAtMs : Math.min(sendAtMs, detectAtMs);
}

/** How often we send, before jitter (section 6.8.7), in milliseconds. */
export function sendIntervalMs({ usedMinTxMs, remoteMinRxMs }: BfdSession): number {
  return Math.max(usedMinTxMs, remoteMinRxMs);
}

/** Section 6.8.4, in milliseconds; 0 before the first packet. */
export function detectionTimeMs({ remoteMultiplier, usedMinRxMs, remoteMinTxMs }: BfdSession): number {
  return remoteMultiplier * Math.max(usedMinRxMs, remoteMinTxMs);
}

/** Section 6.8.6, from where the session is found. @returns true if the packet is a Poll. */
function receive(draft: Draft, packet: ControlPacket, nowMs: number): boolean {
  draft.remoteDiscriminator = packet.myDiscriminator;
  draft.remoteState = packet.state;
  draft.remoteDiagnostic = packet.diagnostic;
  draft.remoteDemand = packet.demand;
  draft.remoteMinRxMs = packet.requiredMinRxUs / 1000;
  draft.remoteMinTxMs = packet.desiredMinTxUs / 1000;
  draft.remoteMultiplier = packet.detectMultiplier;
  if (draft.polling && packet.final) {
    draft.polling = false;
    draft.usedMinTxMs = draft.desiredMinTxMs;
    draft.usedMinRxMs = draft.options.minRxMs;
  }
  move(draft, `Received${packet.state}`);
  draft.detectAtMs = nowMs + detectionTimeMs(draft);
  return packet.poll;
}

/** Nothing heard for the Detection Time: the neighbor may be another one when it speaks again. */
function silence(draft: Draft): void {
  delete draft.detectAtMs;
  draft.remoteDiscriminator = 0;
  draft.remoteDemand = false;
  draft.remoteMinRxMs = anyPaceMs;
  draft.remoteState = 'Down';
  move(draft, 'DetectionTime_Expires');
}

function change(draft: Draft, options: BfdOptions): void {
  const { minRxMs } = draft.options;
  draft.options = options;
  advertise(draft, minRxMs);
}

function move(draft: Draft, event: BfdEvent): void {
  const cell = bfdTransitions[event][draft.state];
  if (cell.diagnostic !== undefined) draft.diagnostic = cell.diagnostic;
  if (cell.next === draft.state) return;
  draft.state = cell.next;
  if (cell.next === 'AdminDown') {
    delete draft.detectAtMs;
    draft.remoteDiscriminator = 0;
  }
  advertise(draft, draft.options.minRxMs);
}

/** Section 6.8.3: new intervals of a session that is up are polled for; until then the more careful of old and new counts. */
function advertise(draft: Draft, minRxBeforeMs: number): void {
  const { minTxMs, minRxMs } = draft.options;
  const up = draft.state === 'Up';
  const desiredMinTxMs = up ? minTxMs : Math.max(slowMs, minTxMs);
  const changed = desiredMinTxMs !== draft.desiredMinTxMs || minRxMs !== minRxBeforeMs;
  draft.desiredMinTxMs = desiredMinTxMs;
  if (!up) {
    draft.polling = false;
    draft.usedMinTxMs = desiredMinTxMs;
    draft.usedMinRxMs = minRxMs;
  } else if (changed) {
    draft.polling = true;
    draft.usedMinTxMs = Math.min(draft.usedMinTxMs, desiredMinTxMs);
    draft.usedMinRxMs = Math.max(draft.usedMinRxMs, minRxMs);
  }
}

/** Section 6.8.7. AdminDown is told, too: the neighbor then knows that nothing has failed. */
function sendsPeriodically({ remoteMinRxMs, remoteDemand, state, remoteState, polling }: Draft): boolean {
  return remoteMinRxMs > 0 && !(remoteDemand && state === 'Up' && remoteState === 'Up' && !polling);
}

/** When the next packet is due: after 75 to 100 % of the interval, to 90 % where none may be lost (section 6.8.7). Never later than planned already. */
function plan(draft: Draft, nowMs: number, random: () => number, sent: boolean): void {
  if (!sendsPeriodically(draft)) {
    delete draft.sendAtMs;
    return;
  }
  const latest = nowMs + sendIntervalMs(draft) * (0.75 + (draft.options.multiplier === 1 ? 0.15 : 0.25) * random());
  if (sent || draft.sendAtMs === undefined || draft.sendAtMs > latest) draft.sendAtMs = latest;
}

/** Section 6.8.7. The C bit: this process does not share the fate of the speaker. */
function packetOf(draft: Draft, final: boolean): ControlPacket {
  return {
    diagnostic: draft.diagnostic, state: draft.state, poll: draft.polling && !final, final, controlPlaneIndependent: true, demand: false,
    detectMultiplier: draft.options.multiplier, myDiscriminator: draft.options.discriminator, yourDiscriminator: draft.remoteDiscriminator,
    desiredMinTxUs: Math.round(draft.desiredMinTxMs * 1000), requiredMinRxUs: Math.round(draft.options.minRxMs * 1000), requiredMinEchoRxUs: 0,
  };
}
