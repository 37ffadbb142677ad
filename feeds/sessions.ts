import { messageTypes } from '../bgp/wire/iana.ts';
import { headerLength } from '../bgp/wire/header.ts';
import { applyUpdate, newAdjRib, standing, withdrawsSince, type AdjRib } from './adj-rib.ts';
import { familyKey, listenTo, newConversation, type Conversation, type Settled } from './conversation.ts';
import type { Observation } from './observation.ts';

/** A session that is Established, and what both sides have told. */
export interface Session {
  readonly conversation: Conversation & { readonly settled: Settled };
  readonly upAtMs: number;
  readonly adjRibIn: AdjRib;
  readonly adjRibOut: AdjRib;
  /** Families that the neighbour is sending again, with what stood when it began (RFC 7313). */
  readonly refreshes: Map<number, ReadonlyMap<string, unknown>>;
}

/** Why a session ended. */
export type Ending =
  | { readonly by: 'us' | 'neighbour'; readonly notification: Uint8Array }
  /** Without a word. */
  | { readonly by: 'us' | 'neighbour'; readonly notification?: undefined };

export type Heard =
  /** Any message on any connection. */
  | { readonly type: 'message'; readonly conversation: Conversation; readonly sent: boolean; readonly bytes: Uint8Array; readonly atMs: number }
  | { readonly type: 'up'; readonly session: Session; readonly atMs: number }
  /** Of a session that is up; it is in the session's table already. */
  | { readonly type: 'update'; readonly session: Session; readonly sent: boolean; readonly bytes: Uint8Array; readonly atMs: number }
  | { readonly type: 'down'; readonly session: Session; readonly ending: Ending; readonly atMs: number };

/** All connections that are followed. */
export interface Sessions {
  readonly conversations: Map<number, Conversation>;
  /** By connection: those that are up. */
  readonly up: Map<number, Session>;
}

export function newSessions(): Sessions {
  return { conversations: new Map(), up: new Map() };
}

/** What one observation tells, in order. @param tables whether the routes of the sessions are kept */
export function hear(sessions: Sessions, observation: Observation, tables: boolean): Heard[] {
  switch (observation.type) {
    case 'opened':
      sessions.conversations.set(observation.connection, newConversation(observation.neighbour, observation.ends));
      return [];
    case 'octets':
      return hearOctets(sessions, observation, tables);
    case 'closed':
      return hearClosed(sessions, observation);
    case 'state':
      return [];
  }
}

function hearOctets(sessions: Sessions, { connection, sent, bytes, atMs }: Extract<Observation, { type: 'octets' }>, tables: boolean): Heard[] {
  const conversation = sessions.conversations.get(connection);
  if (conversation === undefined) return [];
  const heard: Heard[] = [];
  const update = (session: Session, said: { readonly sent: boolean; readonly bytes: Uint8Array }): void => {
    const { addPath } = session.conversation.settled;
    if (tables) applyUpdate(said.sent ? session.adjRibOut : session.adjRibIn, said.bytes, said.sent ? addPath.sent : addPath.received);
    heard.push({ type: 'update', session, sent: said.sent, bytes: said.bytes, atMs });
  };
  for (const said of listenTo(conversation, sent, bytes)) {
    heard.push({ type: 'message', conversation, sent, bytes: said.bytes, atMs });
    if (said.settles) {
      const session: Session = { conversation: conversation as Session['conversation'], upAtMs: atMs, adjRibIn: newAdjRib(), adjRibOut: newAdjRib(), refreshes: new Map() };
      sessions.up.set(connection, session);
      heard.push({ type: 'up', session, atMs });
      // Whoever is first to be Established may have spoken before the other was. We never are: what is early came from the neighbour.
      for (const early of conversation.early.splice(0)) update(session, { sent: false, bytes: early });
    } else if (said.type === messageTypes.UPDATE) {
      const session = sessions.up.get(connection);
      if (session !== undefined) update(session, said);
    } else if (said.type === messageTypes['ROUTE-REFRESH'] && !sent && tables) {
      const session = sessions.up.get(connection);
      if (session !== undefined) for (const bytes of refresh(session, said.bytes)) update(session, { sent, bytes });
    }
  }
  return heard;
}

/** RFC 7313 section 3.2: AFI 2, subtype 1, SAFI 1. @returns withdraws that nobody said: what a finished refresh did not name is gone */
function refresh({ adjRibIn, refreshes, conversation }: Session, bytes: Uint8Array): Iterable<Uint8Array> {
  const [afiHigh = 0, afiLow = 0, subtype, safi = 0] = bytes.subarray(headerLength);
  const family = familyKey(afiHigh * 256 + afiLow, safi);
  const before = refreshes.get(family);
  if (subtype === 1 && conversation.settled.families.includes(family)) refreshes.set(family, standing(adjRibIn, family));
  if (subtype !== 2 || before === undefined) return [];
  refreshes.delete(family);
  return [...withdrawsSince(adjRibIn, family, before)];
}

function hearClosed(sessions: Sessions, { connection, byUs, atMs }: Extract<Observation, { type: 'closed' }>): Heard[] {
  const session = sessions.up.get(connection);
  const conversation = sessions.conversations.get(connection);
  sessions.conversations.delete(connection);
  sessions.up.delete(connection);
  if (session === undefined || conversation === undefined) return [];
  const { sent, received } = conversation;
  const ending: Ending = sent.notification !== undefined ? { by: 'us', notification: sent.notification }
    : received.notification !== undefined ? { by: 'neighbour', notification: received.notification }
    : { by: byUs ? 'us' : 'neighbour' };
  return [{ type: 'down', session, ending, atMs }];
}
