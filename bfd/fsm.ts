import { diagnostics, type BfdState } from './wire/control-packet.ts';

/** What moves a session: the state in the neighbor's packet, the detection timer, an operator. */
export type BfdEvent = 'ReceivedAdminDown' | 'ReceivedDown' | 'ReceivedInit' | 'ReceivedUp' | 'DetectionTime_Expires' | 'Disable' | 'Enable';

export interface BfdCell {
  readonly next: BfdState;
  /** The Local Diagnostic that the change sets; left out: it stays. */
  readonly diagnostic?: number;
}

const to = (next: BfdState, diagnostic?: number): BfdCell => (diagnostic === undefined ? { next } : { next, diagnostic });

const { none, detectionTimeExpired: expired, neighborSignaledDown: signaled, administrativelyDown: disabled } = diagnostics;

/** RFC 5880 sections 6.2, 6.8.4, 6.8.6 and 6.8.16, every cell. The three-way handshake is the path Down, Init, Up. */
export const bfdTransitions: Readonly<Record<BfdEvent, Readonly<Record<BfdState, BfdCell>>>> = {
  ReceivedAdminDown:     { AdminDown: to('AdminDown'), Down: to('Down'),                Init: to('Down', signaled),      Up: to('Down', signaled) },
  ReceivedDown:          { AdminDown: to('AdminDown'), Down: to('Init', none),          Init: to('Init'),                Up: to('Down', signaled) },
  ReceivedInit:          { AdminDown: to('AdminDown'), Down: to('Up', none),            Init: to('Up', none),            Up: to('Up') },
  ReceivedUp:            { AdminDown: to('AdminDown'), Down: to('Down'),                Init: to('Up', none),            Up: to('Up') },
  DetectionTime_Expires: { AdminDown: to('AdminDown'), Down: to('Down'),                Init: to('Down', expired),       Up: to('Down', expired) },
  Disable:               { AdminDown: to('AdminDown'), Down: to('AdminDown', disabled), Init: to('AdminDown', disabled), Up: to('AdminDown', disabled) },
  Enable:                { AdminDown: to('Down', none), Down: to('Down'),               Init: to('Init'),                Up: to('Up') },
};
