import { connect } from 'node:net';
import { packUpdates } from '../../bgp/pack-updates.ts';
import { encodeMessage } from '../../bgp/wire/message.ts';
import type { Message } from '../../bgp/wire/messages.ts';
import { ip, hostPrefix } from '../../net/ip.ts';
import { parseMac } from '../../net/mac.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';

// mistaken-node ROUTER SELF MAC SEQUENCE IPV4: a node of the fleet with a session of its own, which claims an address with this sequence for as
// long as it lives. Says `claimed` when the UPDATE is written.

const [router, self, mac, sequenceText, address] = process.argv.slice(2) as [string, string, string, string, string];
const asn = 65010;
const context = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 } as const;
const sequence = Number(sequenceText);
const say = (message: Message): void => { socket.write(encodeMessage(message, context)); };
const socket = connect({ host: router, port: 179, localAddress: self });
let told = false;
socket.on('connect', () => say({
  type: 'OPEN', version: 4, myAs: asn, holdTimeSeconds: 9, bgpIdentifier: ip(self),
  capabilities: [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'fourOctetAs', asn }],
}));
socket.on('data', (bytes) => {
  // The router's OPEN and KEEPALIVE, or later words: one KEEPALIVE answers the first, and the session is up.
  if (told) return;
  told = true;
  say({ type: 'KEEPALIVE' });
  setInterval(() => say({ type: 'KEEPALIVE' }), 2000);
  const attributes = {
    origin: 'IGP' as const, asPath: [], nextHop: ip(self), med: 0, localPref: sequence, communities: [],
    largeCommunities: encodeClaimMarks(asn, { segment: 0, sequence, mac: parseMac(mac)!, node: ip(self) }),
  };
  for (const update of packUpdates([{ type: 'announce', route: { prefix: hostPrefix(ip(address)), attributes } }], { context, localAsn: asn, families: ['ipv4-unicast'], peerType: 'ibgp' })) say(update);
  process.stdout.write(`claimed ${bytes.length}\n`);
});
socket.on('error', (error) => { process.stderr.write(`${error.message}\n`); process.exit(1); });
socket.on('close', () => process.exit(1));
