import { endOfRibOf, updatesOf, type AdjRib } from './adj-rib.ts';
import { downReasons, encodeBmp, gauges, type BmpPeer, type Gauge } from './bmp.ts';
import type { Ending, Heard, Session, Sessions } from './sessions.ts';

// Which BMP messages follow from what was heard: the same for every station, in the order in which it happened. A station that connects
// is told what stands first, while it already hears what happens: a route is told as it stands at that moment, so that no order of the
// two is wrong (RFC 7854 section 5).

export interface About {
  readonly sysName: string;
  readonly sysDescr: string;
}

/** The message that a station is sent for it; `undefined` for none. */
export function messageFor(heard: Heard): Uint8Array | undefined {
  switch (heard.type) {
    case 'message':
      return undefined;
    case 'up':
      return peerUp(heard.session);
    case 'update':
      return encodeBmp({ type: 'routeMonitoring', peer: peerOf(heard.session, heard.atMs), rib: heard.sent ? 'adj-rib-out' : 'adj-rib-in', update: heard.bytes });
    case 'down':
      return encodeBmp({ type: 'peerDown', peer: peerOf(heard.session, heard.atMs), ...reasonOf(heard.ending) });
  }
}

/** The first words to a station, at once: who we are, and which sessions are up. */
export function greeting(sessions: Sessions, about: About): Uint8Array[] {
  return [encodeBmp({ type: 'initiation', ...about }), ...[...sessions.up.values()].map(peerUp)];
}

/** The routes of the sessions that are up, as they stand when their turn comes; End-of-RIB after those of each family. */
export function* tables(sessions: Sessions): Generator<Uint8Array> {
  for (const [connection, session] of [...sessions.up]) {
    for (const [rib, table] of [['adj-rib-in', session.adjRibIn], ['adj-rib-out', session.adjRibOut]] as const) {
      const tell = (update: Uint8Array): Uint8Array => encodeBmp({ type: 'routeMonitoring', peer: peerOf(session, session.upAtMs), rib, update });
      for (const update of updatesOf(table)) {
        if (!sessions.up.has(connection)) break; // its station has been told that it is down
        yield tell(update);
      }
      if (sessions.up.has(connection)) for (const family of session.conversation.settled.families) yield tell(endOfRibOf(family));
    }
  }
}

/** A report on each session that is up (section 4.8). */
export function statistics(sessions: Sessions, atMs: number): Uint8Array[] {
  return [...sessions.up.values()].map((session) => encodeBmp({
    type: 'statistics', peer: peerOf(session, atMs),
    gauges: [...gaugesOf(session.adjRibIn, gauges.adjRibIn, gauges.adjRibInOfFamily), ...gaugesOf(session.adjRibOut, gauges.adjRibOutPost, gauges.adjRibOutPostOfFamily)],
  }));
}

export const termination = (): Uint8Array => encodeBmp({ type: 'termination' });

function gaugesOf(rib: AdjRib, all: number, ofFamily: number): Gauge[] {
  return [{ type: all, value: rib.routes }, ...[...rib.families].map(([family, routes]) => ({ type: ofFamily, family, value: routes.size }))];
}

function peerUp(session: Session): Uint8Array {
  const { conversation: { ends, sent, received }, upAtMs } = session;
  return encodeBmp({ type: 'peerUp', peer: peerOf(session, upAtMs), ...ends, sentOpen: sent.open as Uint8Array, receivedOpen: received.open as Uint8Array });
}

function peerOf({ conversation: { neighbour, settled } }: Session, atMs: number): BmpPeer {
  const { address, asn, instance } = neighbour;
  return { address, asn, instance, identifier: settled.identifier, as2: !settled.as4, atMs };
}

/** Without a NOTIFICATION of ours the reason is an event of the FSM (RFC 4271 section 8.1.2): the one silent end of ours is a restart, ManualStop. */
const manualStop = Uint8Array.of(0, 2);

function reasonOf({ by, notification }: Ending): { reason: number; data: Uint8Array } {
  if (by === 'us') return notification === undefined ? { reason: downReasons.weClosed, data: manualStop } : { reason: downReasons.weNotified, data: notification };
  return notification === undefined ? { reason: downReasons.peerClosed, data: new Uint8Array(0) } : { reason: downReasons.peerNotified, data: notification };
}
