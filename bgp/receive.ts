import { BgpError } from './errors.ts';
import { dialledStays } from './collision.ts';
import { noteProblem, remember, rememberBeside } from './last-error.ts';
import type { Draft, MachineDraft } from './machine.ts';
import { negotiate } from './negotiate.ts';
import { hasLeaked } from './role.ts';
import type { ConnectionId } from './session-contract.ts';
import { beforeOpen, count, run } from './steps.ts';
import { headerLength } from './wire/header.ts';
import { errorCodes, errorSubcodes, messageTypes } from './wire/iana.ts';
import { decodeMessage } from './wire/message.ts';
import type { Message, NotificationMessage, OpenMessage, UpdateMessage, UpdateProblem } from './wire/messages.ts';
import { familyOfAfiSafi } from './wire/mp-nlri.ts';
import { describeError, describeNotification } from './wire/notification.ts';

/** The machine that a connection belongs to; none once it was dropped. */
export function machineOf(draft: Draft, connection: ConnectionId): MachineDraft | undefined {
  const { first, second } = draft.state;
  return first.connection === connection ? first : second?.connection === connection ? second : undefined;
}

/** The next octets of a connection's stream: each whole message becomes an event, until the connection is dropped. */
export function takeBytes(draft: Draft, connection: ConnectionId, bytes: Uint8Array): void {
  const machine = machineOf(draft, connection);
  if (machine === undefined) return;
  const { framer, messages, error } = machine.framer.feed(bytes);
  machine.framer = framer;
  for (const message of messages) {
    if (machine.connection !== connection) return;
    takeMessage(draft, machine, message);
  }
  if (error !== undefined && machine.connection === connection) run(draft, machine, 'BGPHeaderErr', { error });
}

/** The one place where a peer's mistake, thrown by a decoder, is caught. */
function takeMessage(draft: Draft, machine: MachineDraft, bytes: Uint8Array): void {
  let message: Message;
  try {
    message = decodeMessage(bytes, machine.negotiated?.context ?? beforeOpen);
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    if (bytes[18] !== messageTypes.NOTIFICATION) return run(draft, machine, errorEvent(error), { error });
    // Section 6.4: an error in a NOTIFICATION is noted here and not told to the peer.
    const text = `malformed NOTIFICATION: ${error.message}`;
    noteProblem(draft, text);
    remember(draft, machine, text);
    return run(draft, machine, 'NotifMsg', { text });
  }
  count(draft, 'received', message.type);
  switch (message.type) {
    case 'OPEN':
      return takeOpen(draft, machine, message);
    case 'KEEPALIVE':
      return run(draft, machine, 'KeepAliveMsg');
    case 'UPDATE':
      return takeUpdate(draft, machine, message);
    case 'ROUTE-REFRESH': {
      // Of a family that was not agreed on, or of an unknown subtype: ignored (RFC 2918 section 4, RFC 7313 section 5).
      const family = familyOfAfiSafi(message);
      const type = refreshTypes[message.subtype];
      const wanted = family !== undefined && type !== undefined && machine.negotiated?.families.includes(family) === true;
      return run(draft, machine, 'RouteRefreshMsg', wanted ? { refresh: { type, family } } : {});
    }
    case 'NOTIFICATION':
      return takeNotification(draft, machine, message);
  }
}

function errorEvent(error: BgpError): 'BGPOpenMsgErr' | 'UpdateMsgErr' | 'BGPHeaderErr' {
  return error.code === errorCodes.open ? 'BGPOpenMsgErr' : error.code === errorCodes.update ? 'UpdateMsgErr' : 'BGPHeaderErr';
}

/** What a ROUTE-REFRESH of each subtype says. */
const refreshTypes = ['refreshRequested', 'refreshBegins', 'refreshEnds'] as const;

/** A damaged UPDATE is told of at most so often, in milliseconds. */
const tellDamageEveryMs = 10_000;

/** Errors that cost the session nothing are counted and told (RFC 7606 section 8); a leaked route counts as withdrawn (RFC 9234 section 5). */
function takeUpdate(draft: Draft, machine: MachineDraft, message: UpdateMessage): void {
  const { options } = draft.state;
  const { onlyToCustomer } = message.attributes;
  const update = !hasLeaked(onlyToCustomer, options.role, options.peerAsn) ? message
    : { ...message, problems: [...(message.problems ?? []), leak(`OTC ${onlyToCustomer}: a route leak`)] };
  // Elsewhere it is an error of another kind, whatever is in it.
  if (machine.state === 'Established' && update.problems !== undefined) noteDamage(draft, update.problems);
  run(draft, machine, 'UpdateMsg', { update });
}

function leak(text: string): UpdateProblem {
  return { handling: 'treat-as-withdraw', code: errorCodes.update, subcode: 0, offset: headerLength, text };
}

function noteDamage({ state, outputs, now }: Draft, problems: readonly UpdateProblem[]): void {
  const worst = problems.find(({ handling }) => handling === 'treat-as-withdraw') ?? problems[0];
  if (worst === undefined) return;
  state.damaged = { ...state.damaged, [worst.handling]: state.damaged[worst.handling] + 1 };
  const { atMs, untold } = state.damageNoted ?? { atMs: -Infinity, untold: 0 };
  if (now.monotonicMs - atMs < tellDamageEveryMs) {
    state.damageNoted = { atMs, untold: untold + 1 };
    return;
  }
  state.damageNoted = { atMs: now.monotonicMs, untold: 0 };
  const more = untold === 0 ? '' : ` (and ${untold} more before it)`;
  const text = `damaged UPDATE, ${worst.handling}: ${describeError(worst.code, worst.subcode, worst.text)}${more}`;
  outputs.push({ type: 'note', note: { event: 'session.problem', text } });
}

function takeNotification(draft: Draft, machine: MachineDraft, notification: NotificationMessage): void {
  const text = describeNotification(notification);
  draft.outputs.push({ type: 'note', note: { event: 'notification.received', notification, text } });
  const { code, subcode } = notification;
  const { connectionCollisionResolution, connectionRejected } = errorSubcodes.cease;
  // The loser of a collision is no error: the other connection goes on, unless it is none of ours. And some routers reject whatever comes
  // while they are cross for a better reason, which they gave before.
  const { first, second } = draft.state;
  const other = machine === first ? second : first;
  if (code === errorCodes.cease && subcode === connectionRejected) rememberBeside(draft, machine, text);
  else if (code !== errorCodes.cease || subcode !== connectionCollisionResolution || other?.connection === undefined) remember(draft, machine, text);
  const version = code === errorCodes.open && subcode === errorSubcodes.open.unsupportedVersionNumber;
  run(draft, machine, version ? 'NotifMsgVerErr' : 'NotifMsg', { text });
}

function takeOpen(draft: Draft, machine: MachineDraft, open: OpenMessage): void {
  const { state } = draft;
  if (machine.state !== 'OpenSent') return run(draft, machine, 'BGPOpen', { open });
  try {
    negotiate(state.options, open);
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    return run(draft, machine, 'BGPOpenMsgErr', { error });
  }
  const other = machine === state.first ? state.second : state.first;
  // Section 6.8: Established wins, else the connection of the side with the higher BGP Identifier.
  if (other?.state === 'Established') return run(draft, machine, 'OpenCollisionDump');
  if (other?.state === 'OpenConfirm') {
    if (machine.dialled !== dialledStays(state.options, open.bgpIdentifier)) return run(draft, machine, 'OpenCollisionDump');
    run(draft, other, 'OpenCollisionDump');
  }
  run(draft, machine, 'BGPOpen', { open });
}
