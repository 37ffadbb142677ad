import * as z from 'zod';
import type { IpAddress } from '../../net/ip.ts';
import { type Parsed, parseAddress, parseDuration, parsePeerAddress, interfacePattern } from '../values.ts';
import { asn, communities, duration, durationPattern, hostAddress, nodeSelector, ofFamily, parsed, password, prefix, tcpAo, text, vrf, whole } from './kinds.ts';

// `bgp` and `routes`: the sessions, and what the routers are told.

const nextHop = z.strictObject({
  ipv4: ofFamily(false).optional().describe('For IPv4 routes.'),
  ipv6: ofFamily(true).optional().describe('For IPv6 routes. A session over IPv4 has none by itself.'),
});

const hold = parsed('duration', (value): Parsed<number> => {
  const ms = parseDuration(value);
  if ('error' in ms) return ms;
  const seconds = ms.value / 1000;
  if (Number.isInteger(seconds) && (seconds === 0 || (seconds >= 3 && seconds <= 65535))) return { value: seconds };
  return { error: 'must be 3s to 65535s in whole seconds, or 0s for no keepalives (RFC 4271 section 4.2)' };
}, durationPattern);
const keepalive = duration('1s', '21845s', 1000);
const connectRetry = duration('1s', '600s', 1000);
const sendHold = duration('3s', '65535s', 1000);

const profile = z.enum(['sequence', 'ladder', 'window', 'prepend']).meta({ title: 'profile' });

export const peer = z.strictObject({
  name: vrf.describe('The name in commands, logs and metric labels.'),
  address: parsed<string>('address', parsePeerAddress).describe('The router\'s address. A link-local one names its interface: `"fe80::1%eth0"`, or the key `interface` does.'),
  interface: text('name', interfacePattern, 'must be the name of an interface').optional().describe('The session uses this interface alone. A link-local address needs it.'),
  asn: asn.describe('Equal to `bgp.asn`: iBGP, LOCAL_PREF is sent. Different: eBGP, MED and communities.'),
  port: whole(1, 65535).prefault(179).describe('The router\'s TCP port.'),
  sourceAddress: hostAddress.optional().describe('The address that we connect from. Default: as the kernel chooses.'),
  families: z.array(z.enum(['ipv4-unicast', 'ipv6-unicast'])).min(1, { error: 'needs at least one family' }).prefault(['ipv4-unicast', 'ipv6-unicast']).describe('The families offered in OPEN.'),
  password: password.optional().describe('Where the TCP MD5 key (RFC 2385) is: one of `credential`, `file`, `env`. Without the key there is no session. Plain text is refused.'),
  tcpAo: tcpAo.optional().describe('TCP-AO (RFC 5925) in place of `password`: needs a kernel that has it (Linux 6.7 and later, CONFIG_TCP_AO); without, there is no session.'),
  timers: z.strictObject({
    hold: hold.optional().describe('Wins over `bgp.timers.hold`.'),
    keepalive: keepalive.optional().describe('Wins over `bgp.timers.keepalive`.'),
    connectRetry: connectRetry.optional().describe('Wins over `bgp.timers.connectRetry`.'),
    sendHold: sendHold.optional().describe('How long the router may take nothing of what we send (RFC 9687). Default: 8 minutes, or twice the Hold Time.'),
  }).prefault({}).describe('Wins over `bgp.timers`, key by key.'),
  ttlSecurity: z.boolean().prefault(false).describe('RFC 5082: only packets with TTL 255, so only from a directly connected router.'),
  multihop: whole(2, 255).optional().describe('TTL for a router that is not directly connected. Not together with `ttlSecurity`.'),
  nextHop: nextHop.prefault({}).describe('Wins over `bgp.nextHop`.'),
  routes: z.strictObject({ profile: profile.optional().describe('Wins over `routes.profile`.') }).prefault({}).describe('Wins over `routes`.'),
  vrf: vrf.prefault('default').describe('Which watched bridges this peer hears of.'),
  addPath: z.boolean().prefault(true).describe('Whether several routes for an address are taken where the router sends them (RFC 7911), so that a rival behind the one it prefers is seen.'),
  role: z.enum(['provider', 'rs', 'rs-client', 'customer', 'peer']).optional().describe('eBGP: what we are to the router (RFC 9234). It is told so, must not contradict, and routes that leak are refused.'),
  bindings: z.enum(['learn', 'none']).optional().describe('Mode learn: whether the routes of this peer tell which addresses a MAC has, so that a RARP alone moves a VM that this node never heard. Default: `learn` on iBGP, `none` on eBGP.'),
  bfd: z.strictObject({
    enabled: z.boolean().prefault(true).describe('Whether it is used.'),
    minTx: duration('50ms', '60s').prefault('300ms').describe('How often we send, at most.'),
    minRx: duration('50ms', '60s').prefault('300ms').describe('How often we want to hear the router.'),
    multiplier: whole(1, 255).prefault(3).describe('After so many packets that are missing the router is gone.'),
  }).optional().describe('BFD (RFC 5880, 5881) with a directly connected router: when it fails, the BGP session ends at once. Not together with `multihop`.'),
  maxPrefixes: whole(1, 1_000_000).optional().describe('What we send at most: warned of at 80 %, no more is added at the limit, so the session lives.'),
  nodeSelector: nodeSelector.optional().describe('This peer only on nodes with all of these labels, so one file serves a whole fleet.'),
});

export const range = peer.omit({ address: true, interface: true, port: true, sourceAddress: true, bfd: true, nodeSelector: true }).extend({
  name: vrf.describe('Peers are named by it and their address: `leafs-192.0.2.7`.'),
  prefix: prefix.describe('Whoever connects from one of these addresses, and is no peer of its own in `bgp.peers`.'),
  interface: text('name', interfacePattern, 'must be the name of an interface').optional().describe('Of link-local addresses, the interface where they are met.'),
  maxPeers: whole(1, 256).prefault(16).describe('So many at once; whoever comes then is refused.'),
});

export const bgp = z.strictObject({
  asn: asn.describe('Our AS number.'),
  routerId: parsed<IpAddress>('IPv4 address', (value) => {
    const address = parseAddress(value);
    if ('error' in address) return address;
    return address.value.includes(':') || address.value === '0.0.0.0' ? { error: 'a BGP Identifier is written as an IPv4 address and is not 0.0.0.0' } : address;
  }).optional().describe('BGP Identifier. Default: the session\'s or the node\'s IPv4 address, else derived from `node.name`. Leave it out in a file that serves several nodes.'),
  listen: z.strictObject({
    enabled: z.boolean().prefault(false).describe('Also accept connections of the configured peers.'),
    port: whole(1, 65535).prefault(179).describe('Below 1024 it needs CAP_NET_BIND_SERVICE.'),
    ranges: z.array(range).max(16, { error: 'at most 16 ranges' }).prefault([]).describe('Peers that are not named one by one: they connect to us, never we to them. They are gone two minutes (or their restart time) after their last connection.'),
  }).prefault({}).describe('By default we connect, and nobody connects to us.'),
  nextHop: nextHop.prefault({}).describe('The next hop of our routes. Default: the session\'s local address, which serves its own family only.'),
  timers: z.strictObject({
    hold: hold.prefault('9s').describe('Hold Time offered; the lower of both sides\' counts. `0s`: none.'),
    keepalive: keepalive.optional().describe('Default: a third of the Hold Time.'),
    connectRetry: connectRetry.prefault('5s').describe('Between two attempts to connect.'),
  }).prefault({}).describe('Of every session.'),
  gracefulRestart: z.strictObject({
    enabled: z.boolean().prefault(true).describe('A restart (SIGTERM) keeps the routers\' routes; no Cease is sent (RFC 4724).'),
    restartTime: duration('0s', '4095s', 1000).prefault('60s').describe('How long the routers keep our routes while we are away.'),
  }).prefault({}),
  longLivedGracefulRestart: z.strictObject({
    families: z.array(z.enum(['ipv4-unicast', 'ipv6-unicast'])).prefault([]).describe('Of these, routes of a router that is away stay in mind beyond its Restart Time, as the least preferred (RFC 9494), where the router asks for it. None unless named.'),
    maxStaleTime: duration('0s', '16777215s', 1000).prefault('24h').describe('The longest Long-lived Stale Time that is granted. Of `listen.ranges` a router is forgotten sooner.'),
  }).prefault({}),
  receive: z.enum(['vm-prefixes', 'none']).prefault('vm-prefixes').describe('Received routes tell where a VM is. `none`: all are ignored, and departures are seen by frames and ports only.'),
  peers: z.array(peer).max(64, { error: 'at most 64 peers' }).describe('The routers.'),
});

const level = (localPref: number, med: number, n: number, when: string) => z.strictObject({
  localPref: whole(0, 0xffffffff).prefault(localPref).describe('On iBGP, in profile window.'),
  med: whole(0, 0xffffffff).prefault(med).describe('On eBGP and iBGP, in profile window.'),
  communities: communities.optional().describe(`In profiles window and prepend; of \`leaving\` in every profile. Standard (\`65010:${n}\`) or large ones. Default: \`<bgp.asn>:${n}\`, with a 4-byte ASN the large \`<bgp.asn>:9:${n}\`.`),
}).prefault({}).describe(when);

export const routes = z.strictObject({
  profile: profile.optional().describe('How the newest claim wins. Default on iBGP: sequence. eBGP has no default, see "Which profile".'),
  globalAdmin: whole(1, 0xffffffff).optional().describe('Of our large communities (RFC 8092): one for the whole fleet. Default: `bgp.asn`.'),
  normal: level(100, 100, 100, 'A VM that has settled.'),
  elevated: level(200, 0, 200, 'A VM that has just arrived.'),
  leaving: level(50, 200, 50, 'A VM that seems to have left, from the first sign until the withdraw.'),
  ladder: z.strictObject({
    communities: communities.min(2, { error: 'needs at least two steps: a claim takes one step above its rival' }).optional().describe('Profile ladder: the steps, the lowest first, which routers map to LOCAL_PREF 200, 201, and so on. Default: `<bgp.asn>:200` to `<bgp.asn>:207`, with a 4-byte ASN the large `<bgp.asn>:9:200` to `:9:207`.'),
  }).prefault({}),
  prepend: whole(1, 20).prefault(3).describe('Profile prepend: our ASN before a normal route, twice as often before a leaving one. Above the longest AS path between two ToRs.'),
  noExport: z.boolean().prefault(false).describe('Adds the community NO_EXPORT (RFC 1997). The route then ends at the first eBGP router.'),
}).prefault({});
