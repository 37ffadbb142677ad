import { sessionDeadline, stepSession } from '../bgp/session.ts';
import type { SessionInput, SessionNote } from '../bgp/session-contract.ts';
import { familyOf } from '../net/ip.ts';
import { newAdjRibIn } from '../routes/adj-rib-in.ts';
import { newAdjRibOut } from '../routes/adj-rib-out.ts';
import { newFabricEvidence } from '../routes/fabric.ts';
import { listenFirst } from './graceful-restart.ts';
import { forgetReceived, receive, receiveChange } from './received-routes.ts';
import { beginRefresh, endRefresh } from './refresh.ts';
import { keepStale, noteRestartTime } from './stale-routes.ts';
import { note, type Peer, type World } from './world.ts';

/** Gives one session its input and carries out what the session says, except what concerns its sockets: that goes out. */
export function stepPeer(world: World, peer: Peer, input: SessionInput): void {
  const { state, outputs } = stepSession(peer.session, input, world.now, world.random, world.newConnection);
  peer.session = state;
  world.sessionDeadlines.set(peer.config.name, sessionDeadline(state));
  for (const output of outputs) {
    switch (output.type) {
      case 'dial':
      case 'write':
      case 'close':
        world.outputs.push({ type: 'session', peer: peer.config.name, output });
        break;
      case 'established':
        peer.adjIn = newAdjRibIn();
        peer.adjOut = newAdjRibOut();
        peer.fabric = newFabricEvidence();
        peer.resend = true;
        peer.endOfRibDue = true;
        listenFirst(world, peer);
        noteRestartTime(world, peer);
        break;
      case 'down':
        sessionDown(world, peer, output.lost);
        break;
      case 'update':
        receive(world, peer, output.update);
        break;
      case 'refreshRequested':
        for (const prefix of [...peer.adjOut.sent.keys()]) if (familyOf(prefix) === output.family) peer.adjOut.sent.delete(prefix);
        peer.resend = true;
        peer.resendAsked.add(output.family);
        break;
      case 'refreshBegins':
        beginRefresh(peer.refreshes, output.family, peer.adjIn.routes.keys());
        break;
      case 'refreshEnds':
        for (const prefix of endRefresh(peer.refreshes, output.family)) {
          peer.adjIn.paths?.delete(prefix);
          receiveChange(world, peer, { type: 'withdraw', prefix });
        }
        break;
      case 'note':
        noteSession(world, peer, output.note);
        break;
    }
  }
}

function noteSession(world: World, peer: Peer, n: SessionNote): void {
  const fields = n.event === 'session.transition' ? { from: n.from.toLowerCase(), to: n.to.toLowerCase(), cause: n.cause }
    : n.event === 'session.problem' ? { text: n.text }
    : { code: n.notification.code, subcode: n.notification.subcode, text: n.text };
  const warn = n.event === 'session.problem' || n.event === 'notification.received' || n.event === 'notification.sent';
  note(world, { level: warn ? 'warn' : 'info', room: 'bgp', peer: peer.config.name, event: n.event, fields, publish: 'peer' });
}

/**
 * Its routes say nothing any more, and that they are gone says nothing either: a session that was lost is no rival that left.
 */
function sessionDown(world: World, peer: Peer, lost: boolean): void {
  keepStale(world, peer, lost);
  forgetReceived(world, peer);
  peer.adjOut = newAdjRibOut();
  peer.resend = false;
  peer.resendAsked.clear();
  peer.refreshes.clear();
  delete peer.listening;
}
