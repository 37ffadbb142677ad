import { decodeMessage } from '../../bgp/wire/message.ts';
import { applyUpdate, newAdjRib, updatesOf } from '../../feeds/adj-rib.ts';
import { messageFor, statistics, tables } from '../../feeds/bmp-feed.ts';
import { messageRecord } from '../../feeds/mrt.ts';
import type { Observation } from '../../feeds/observation.ts';
import { hear, newSessions, type Heard } from '../../feeds/sessions.ts';
import { isMrt, mrtDecoder } from '../../src/decode/mrt.ts';
import { BgpError } from '../../bgp/errors.ts';
import { encodeMessage } from '../../bgp/wire/message.ts';
import { ip } from '../../net/ip.ts';

const context = { fourOctetAs: true, ibgp: false, maxMessageLength: 65_535 };
const keepalive = encodeMessage({ type: 'KEEPALIVE' }, context);

/** What a neighbour says in a session that is up; the first octet chooses what was negotiated. Nothing throws, and tables tell themselves. */
export function fuzz(bytes: Buffer): void {
  const choice = bytes[0] ?? 0;
  const addPath = { type: 'addPath' as const, families: [{ afi: 1, safi: 1, sendReceive: 3 }, { afi: 2, safi: 1, sendReceive: 3 }] };
  const open = encodeMessage({
    type: 'OPEN', version: 4, myAs: 65_001, holdTimeSeconds: 9, bgpIdentifier: ip('192.0.2.1'),
    capabilities: [...((choice & 1) === 0 ? [{ type: 'fourOctetAs' as const, asn: 65_001 }] : []), ...((choice & 2) === 0 ? [] : [addPath])],
  }, context);
  const sessions = newSessions();
  const give = (observation: Observation): Heard[] => hear(sessions, observation, true);
  const octets = (sent: boolean, part: Uint8Array): Observation => ({ type: 'octets', connection: 1, sent, bytes: part, atMs: 1000 });
  give({ type: 'opened', connection: 1, neighbour: { name: 'a', address: ip('192.0.2.1'), asn: 65_001, localAsn: 65_002, instance: 0 }, ends: { localAddress: ip('192.0.2.2'), localPort: 1, remotePort: 179 }, atMs: 0 });
  for (const sent of [true, false]) for (const part of [open, keepalive]) give(octets(sent, part));
  for (const heard of give(octets(false, bytes.subarray(1)))) {
    messageFor(heard);
    if (heard.type !== 'message') continue;
    const record = messageRecord(heard);
    const decoder = mrtDecoder();
    if (!isMrt(record) || [...decoder.push(record), ...decoder.end()].length !== 1) throw new Error('a record that is none');
  }
  for (const message of [...tables(sessions), ...statistics(sessions, 0)]) if (new DataView(message.buffer).getUint32(1) !== message.length) throw new Error('a length that is wrong');
  const session = sessions.up.get(1);
  if (session === undefined) throw new Error('the session is not up');
  const again = newAdjRib();
  for (const update of updatesOf(session.adjRibIn)) {
    if (update.length > 65_535) throw new Error('too long');
    applyUpdate(again, update, session.conversation.settled.addPath.received);
    try {
      decodeMessage(update, context);
    } catch (error) {
      if (!(error instanceof BgpError)) throw error; // what was broken stays so
    }
  }
  if (again.routes !== session.adjRibIn.routes) throw new Error(`${again.routes} of ${session.adjRibIn.routes} routes`);
  give({ type: 'closed', connection: 1, byUs: false, atMs: 0 });
}
