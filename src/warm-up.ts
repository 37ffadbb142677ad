import { encodeMessage } from '../bgp/wire/message.ts';
import type { CodecContext } from '../bgp/wire/messages.ts';
import type { Config } from '../config/config.ts';
import { garpFrame, rarpFrame } from '../garp/wire/frames.ts';
import { ip, type IpAddress, type Prefix } from '../net/ip.ts';
import { parseMac, type Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import { Speaker } from './speaker.ts';
import type { Input } from './world.ts';

/** How often the path is walked: enough for the compiler to have seen it all, in well under half a second. */
const rounds = 400;

/**
 * The first frame after a start costs milliseconds, because nothing is compiled yet. So before the process says that it is ready, a
 * speaker that nobody sees walks the whole path, frame to UPDATE and back, with frames of our own, on documentation addresses.
 * @returns how many claims it made: what a caller may check
 */
export function warmUp(config: Config, now: Now): number {
  const mac = parseMac('52:54:00:00:00:01') as Mac;
  const vm4 = ip('203.0.113.1');
  const vm6 = ip('2001:db8::1');
  const routerId = ip('192.0.2.1');
  const peer = config.bgp.peers[0];
  const asn = config.bgp.asn;
  const peerAsn = peer?.asn ?? asn;
  let connection = 0;
  let { monotonicMs } = now;
  const speaker = new Speaker({
    config: {
      ...config,
      bgp: {
        ...config.bgp, nextHop: { ipv4: routerId, ipv6: ip('2001:db8::2') },
        peers: [{
          name: 'warm-up', address: ip('192.0.2.2'), asn: peerAsn, port: 179, families: ['ipv4-unicast', 'ipv6-unicast'],
          timers: { holdSeconds: 90, keepaliveSeconds: 30, connectRetrySeconds: 5 }, ttlSecurity: false, nextHop: {}, profile: peer?.profile ?? 'sequence', vrf: 'default', bindings: 'none',
        }],
      },
      watch: [{ bridge: 'br', ports: { local: ['tap*'], uplink: ['up*'] }, announcements: ['garp', 'rarp', 'na'], prefixes: ['203.0.113.0/24', '2001:db8::/64'] as Prefix[], exclude: [], vrf: 'default' }],
      gate: { ...config.gate, checks: [] },
      identity: { ...config.identity, bindings: [{ vm: 'warm-up', mac, vrf: 'default', ips: [vm4, vm6] }] },
    },
    routerId, dryRun: false, random: () => 0.5, newConnection: () => ++connection,
  }, now);
  const give = (input: Input): void => {
    monotonicMs += 10;
    speaker.dispatch(input, { ...now, monotonicMs });
    speaker.dispatch({ type: 'written' }, { ...now, monotonicMs });
  };
  const port = { up: true, carrier: true, master: 1, kind: 'tun' };
  give({
    type: 'bridge',
    change: { type: 'resync', links: [{ ifindex: 1, name: 'br', mac, kind: 'bridge', up: true, carrier: true }, { ifindex: 2, name: 'tap0', ...port }, { ifindex: 3, name: 'up0', ...port }], fdb: [], ownAddresses: [] },
  });
  give({ type: 'start' });
  const context: CodecContext = { fourOctetAs: true, ibgp: peerAsn === asn, maxMessageLength: 4096 };
  give({ type: 'session', peer: 'warm-up', input: { type: 'connected', connection, localAddress: routerId } });
  for (const message of [
    {
      type: 'OPEN' as const, version: 4, myAs: peerAsn > 65535 ? 23456 : peerAsn, holdTimeSeconds: 90, bgpIdentifier: '192.0.2.2' as IpAddress,
      capabilities: [{ type: 'multiprotocol' as const, afi: 1, safi: 1 }, { type: 'multiprotocol' as const, afi: 2, safi: 1 }, { type: 'fourOctetAs' as const, asn: peerAsn }],
    },
    { type: 'KEEPALIVE' as const },
  ]) give({ type: 'session', peer: 'warm-up', input: { type: 'data', connection, bytes: encodeMessage(message, context) } });
  monotonicMs += 5000; // the search for VMs that are here is over
  const said = [rarpFrame(mac), garpFrame(mac, vm4)];
  for (let i = 0; i < rounds; i++) {
    give({ type: 'frame', frame: { bytes: said[i % 2] as Uint8Array, ifindex: 2, capturedAtMs: monotonicMs } });
    monotonicMs += 6000; // longer than a reflection is remembered
    give({ type: 'frame', frame: { bytes: rarpFrame(mac), ifindex: 3, capturedAtMs: monotonicMs + 10 } });
  }
  return speaker.world.migrations.all.filter((m) => m.direction === 'in').length;
}
