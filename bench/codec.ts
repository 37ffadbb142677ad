import { fileURLToPath } from 'node:url';
import { packUpdates, routesOf, type PackOptions } from '../bgp/pack-updates.ts';
import type { RouteAttributes, RouteChange } from '../bgp/route.ts';
import { Framer } from '../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../bgp/wire/message.ts';
import type { CodecContext, UpdateMessage } from '../bgp/wire/messages.ts';
import { families, hostPrefix, ip, type IpAddress } from '../net/ip.ts';
import { report, type Row } from './results.ts';

const context: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };
const session: PackOptions = { context, localAsn: 65010, families, peerType: 'ibgp' };

/** One claim as it goes out: LOCAL_PREF, one community, three large ones. */
function attributes(nextHop: IpAddress, sequence: number): RouteAttributes {
  return {
    origin: 'IGP',
    asPath: [],
    nextHop,
    localPref: sequence,
    communities: [0xfdf200c8],
    largeCommunities: [1, 2, 3].map((type) => ({ globalAdmin: 65010, localData1: type * 0x1000000, localData2: sequence })),
  };
}

function claims(family: 4 | 6, count: number, distinct: boolean): RouteChange[] {
  const nextHop = ip(family === 4 ? '192.0.2.17' : '2001:db8::17');
  const shared = attributes(nextHop, 1_753_000_000);
  return Array.from({ length: count }, (_, i) => {
    const address = ip(family === 4 ? `10.1.${i >>> 8}.${i & 255}` : `2001:db8:1::1:${(i + 1).toString(16)}`);
    const own = distinct ? attributes(nextHop, 1_753_000_000 + i) : shared;
    return { type: 'announce', route: { prefix: hostPrefix(address), attributes: own } };
  });
}

/** How often `once` runs in a second; the best of five rounds, after a warm-up. */
function perSecond(once: () => void, units: number): number {
  const round = (): number => {
    const start = performance.now();
    let runs = 0;
    while (performance.now() - start < 150) {
      once();
      runs++;
    }
    return (runs * units * 1000) / (performance.now() - start);
  };
  round();
  return Math.max(...Array.from({ length: 5 }, round));
}

export function run(): Row[] {
  const rows: Row[] = [];
  const row = (what: string, units: number, once: () => void): void => void rows.push({ what, value: perSecond(once, units), unit: '1/s' });

  for (const family of [4, 6] as const) {
    const one = claims(family, 1, true);
    const update = packUpdates(one, session)[0] as UpdateMessage;
    const bytes = encodeMessage(update, context);
    row(`UPDATE with one IPv${family} route: encode`, 1, () => void encodeMessage(update, context));
    row(`UPDATE with one IPv${family} route: pack and encode`, 1, () => packUpdates(one, session).forEach((message) => encodeMessage(message, context)));
    row(`UPDATE with one IPv${family} route: decode to routes`, 1, () => void routesOf(decodeMessage(bytes, context) as UpdateMessage));
  }
  for (const [what, distinct] of [['attributes in common', false], ['attributes of its own each', true]] as const) {
    const changes = claims(4, 1000, distinct);
    const updates = packUpdates(changes, session).map((message) => encodeMessage(message, context));
    row(`1,000 IPv4 routes, ${what}: routes packed and encoded`, 1000, () => packUpdates(changes, session).forEach((message) => encodeMessage(message, context)));
    const stream = Buffer.concat(updates);
    row(`1,000 IPv4 routes, ${what}: routes framed and decoded`, 1000, () => {
      for (const message of new Framer().feed(stream).messages) routesOf(decodeMessage(message, context) as UpdateMessage);
    });
  }
  return rows;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) report('codec', run());
