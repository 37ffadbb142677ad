import * as z from 'zod';
import type { IpAddress, Prefix } from '../net/ip.ts';
import type { KeyTree } from './keys.ts';
import {
  type Parsed, checkAsn, checkCommunity, parseDuration, parseFileMode, parseHostAddress, parseListenAddress, parsePeerAddress, interfacePattern, parseAddress, parseNetwork, parseUnicastMac, parseVlans, quote,
} from './values.ts';
import { nearest } from './errors.ts';

// The YAML, key by key. `title` is the kind of value in the documentation, `description` the sentence beside it; both go into the JSON
// Schema too. What depends on more than one key is checked in `checks/`.

/** Text that `parse` turns into a value. */
function parsed<Value>(title: string, parse: (text: string) => Parsed<Value>, pattern?: string) {
  const wrongType = title === 'duration' ? 'must be a duration with its unit, such as 250ms, 3s, 2m or 24h' : undefined;
  return z
    .string({ error: ({ input }) => (input === undefined || input === null ? undefined : wrongType) })
    .meta({ title, ...(pattern === undefined ? {} : { pattern }) })
    .transform((text, context) => {
      const result = parse(text);
      if ('value' in result) return result.value;
      context.issues.push({ code: 'custom', message: result.error, input: text });
      return z.NEVER;
    });
}

/** Text that must satisfy `pattern`; `must` says so in words. */
const text = (title: string, pattern: RegExp, must: string) => z.string().regex(pattern, { error: must }).meta({ title });
const whole = (min: number, max: number) =>
  z.number().refine((value) => Number.isInteger(value) && value >= min && value <= max, { error: `must be a whole number, ${min}..${max}` })
    .meta({ type: 'integer', minimum: min, maximum: max, title: 'number' });

const durationPattern = '^\\d{1,9}(ms|s|m|h)$';
/** A duration from `min` to `max` milliseconds; `unit` 1000 where the protocol counts whole seconds. The value is in `unit`s. */
const duration = (min: string, max: string, unit: 1 | 1000 = 1) =>
  parsed('duration', (value) => {
    const ms = parseDuration(value);
    if ('error' in ms) return ms;
    const [low, high] = [min, max].map((limit) => (parseDuration(limit) as { value: number }).value) as [number, number];
    if (ms.value < low || ms.value > high) return { error: `must be ${min} to ${max}` };
    if (ms.value % unit !== 0) return { error: `${quote(value)}: BGP counts this in whole seconds` };
    return { value: ms.value / unit };
  }, durationPattern);

const asn = z.number().superRefine((value, context) => {
  const wrong = checkAsn(value);
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
}).meta({ type: 'integer', minimum: 1, maximum: 4294967294, title: 'ASN' });
const hostAddress = parsed<IpAddress>('address', parseHostAddress);
const ofFamily = (v6: boolean) => parsed<IpAddress>(v6 ? 'IPv6 address' : 'IPv4 address', (value) => {
  const address = parseHostAddress(value);
  if ('error' in address || address.value.includes(':') === v6) return address;
  return { error: `${address.value} is not IPv${v6 ? 6 : 4}` };
});
const prefix = parsed<Prefix>('prefix', parseNetwork);
const vrf = text('name', /^[a-zA-Z0-9._-]{1,63}$/, 'must be 1 to 63 of the characters a-z A-Z 0-9 . _ -');
const path = text('path', /^\/[^\0]{0,4094}$/, 'must be an absolute path');
const communities = z.array(z.string().meta({ title: 'community' }).superRefine((value, context) => {
  const wrong = checkCommunity(value);
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
})).max(16, { error: 'at most 16 communities' });

const labelText = text('text', /^[\x21-\x7e]{1,253}$/, 'must be 1 to 253 printable characters without blanks');
const labels = z.record(labelText, labelText).meta({ title: 'labels' });
const nodeSelector = labels.refine((value) => Object.keys(value).length > 0, { error: 'names no label; leave it out to mean every node' });

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

const password = z.strictObject({
  credential: text('name', /^(?!\.\.?$)[a-zA-Z0-9._-]{1,255}$/, 'must be the name of a systemd credential (LoadCredential=NAME:…)').optional().describe('The name of a systemd credential (`LoadCredential=NAME:/path`).'),
  file: path.optional().describe('A file that only its owner can read. One newline at its end is left out.'),
  env: text('name', /^[A-Za-z_][A-Za-z0-9_]{0,254}$/, 'must be the name of an environment variable').optional().describe('The name of an environment variable.'),
}, { error: (issue) => (issue.code === 'invalid_type' && issue.input !== null ? 'a password in plain text is refused; write {credential: NAME} (systemd), {file: /path} or {env: NAME}, which say where it is' : undefined) })
  .refine((value) => Object.keys(value).length === 1, { error: 'needs exactly one of credential, file and env' });

const profile = z.enum(['sequence', 'ladder', 'window', 'prepend']).meta({ title: 'profile' });

const peer = z.strictObject({
  name: vrf.describe('The name in commands, logs and metric labels.'),
  address: parsed<string>('address', parsePeerAddress).describe('The router\'s address. A link-local one names its interface: `"fe80::1%eth0"`, or the key `interface` does.'),
  interface: text('name', interfacePattern, 'must be the name of an interface').optional().describe('The session uses this interface alone. A link-local address needs it.'),
  asn: asn.describe('Equal to `bgp.asn`: iBGP, LOCAL_PREF is sent. Different: eBGP, MED and communities.'),
  port: whole(1, 65535).prefault(179).describe('The router\'s TCP port.'),
  sourceAddress: hostAddress.optional().describe('The address that we connect from. Default: as the kernel chooses.'),
  families: z.array(z.enum(['ipv4-unicast', 'ipv6-unicast'])).min(1, { error: 'needs at least one family' }).prefault(['ipv4-unicast', 'ipv6-unicast']).describe('The families offered in OPEN.'),
  password: password.optional().describe('Where the TCP MD5 key (RFC 2385) is: one of `credential`, `file`, `env`. Without the key there is no session. Plain text is refused.'),
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

const bgp = z.strictObject({
  asn: asn.describe('Our AS number.'),
  routerId: parsed<IpAddress>('IPv4 address', (value) => {
    const address = parseAddress(value);
    if ('error' in address) return address;
    return address.value.includes(':') || address.value === '0.0.0.0' ? { error: 'a BGP Identifier is written as an IPv4 address and is not 0.0.0.0' } : address;
  }).optional().describe('BGP Identifier. Default: the session\'s or the node\'s IPv4 address, else derived from `node.name`. Leave it out in a file that serves several nodes.'),
  listen: z.strictObject({
    enabled: z.boolean().prefault(false).describe('Also accept connections of the configured peers.'),
    port: whole(1, 65535).prefault(179).describe('Below 1024 it needs CAP_NET_BIND_SERVICE.'),
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
  receive: z.enum(['vm-prefixes', 'none']).prefault('vm-prefixes').describe('Received routes tell where a VM is. `none`: all are ignored, and departures are seen by frames and ports only.'),
  peers: z.array(peer).max(64, { error: 'at most 64 peers' }).describe('The routers.'),
});

const portPattern = text('pattern', /^[^\s/\0]{1,64}$/, 'must be an interface name or pattern, such as "vnet*"');
const watch = z.strictObject({
  bridge: text('name', /^[^\s/:\0]{1,15}$/, 'must be the name of an interface (1 to 15 characters)').describe('The bridge.'),
  vlans: z.array(z.union([z.number(), z.string()], { error: 'must be a VLAN id or a range such as "200-210"' }).transform((value, context) => {
    const range = parseVlans(value);
    if ('value' in range) return range.value;
    context.issues.push({ code: 'custom', message: range.error, input: value });
    return z.NEVER;
  }).meta({ title: 'VLAN id or range' })).min(1, { error: 'lists no VLAN; leave it out to mean every one' }).max(4095).optional().describe('Ids and ranges, `[100, "200-210"]`; 0 is untagged. Default: every VLAN on the bridge.'),
  ports: z.strictObject({
    local: z.array(portPattern).min(1, { error: 'needs at least one pattern: without local ports nothing is ever announced' }).max(64).describe('Patterns (`vnet*`). A frame from here: the VM runs on this node.'),
    uplink: z.array(portPattern).max(64).prefault([]).describe('A frame from here: the VM runs elsewhere. A port in neither list is ignored and warned of.'),
  }).describe('Which port is which.'),
  announcements: z.array(z.enum(['garp', 'rarp', 'na', 'any-arp'])).min(1, { error: 'lists no kind, so nothing would ever be heard' }).prefault(['garp', 'rarp', 'na']).describe('What counts. `any-arp`: any ARP or Neighbor Solicitation that a known VM sends from its own address, for guests that never announce themselves.'),
  prefixes: z.array(prefix).min(1, { error: 'needs at least one prefix: nothing outside them is ever announced' }).max(1024).describe('Nothing outside these is ever announced.'),
  exclude: z.array(parsed<IpAddress>('address', parseAddress)).max(4096).prefault([]).describe('Gateways and other addresses that no VM may claim. The node\'s own are always excluded.'),
  gateway: z.strictObject({
    addresses: z.array(hostAddress).max(16, { error: 'at most 16 addresses' }).prefault([]).describe('The gateway addresses of the VMs here. Default: this node\'s own addresses on the bridge.'),
    refresh: z.enum(['auto', 'off']).prefault('auto').describe('`auto`: after a claim the VM\'s port, and no other, is told the MAC of each gateway address that this node itself has. `off`: never.'),
  }).optional().describe('After a move the VM still has the MAC of the old node\'s gateway. Left out: nothing is sent.'),
  vrf: vrf.prefault('default').describe('Addresses of different VRFs are different addresses.'),
});

const level = (localPref: number, med: number, n: number, when: string) => z.strictObject({
  localPref: whole(0, 0xffffffff).prefault(localPref).describe('On iBGP, in profile window.'),
  med: whole(0, 0xffffffff).prefault(med).describe('On eBGP and iBGP, in profile window.'),
  communities: communities.optional().describe(`In profiles window and prepend; of \`leaving\` in every profile. Standard (\`65010:${n}\`) or large ones. Default: \`<bgp.asn>:${n}\`, with a 4-byte ASN the large \`<bgp.asn>:9:${n}\`.`),
}).prefault({}).describe(when);

const routes = z.strictObject({
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

const migration = z.strictObject({
  firstEvidence: z.enum(['auto', 'rarp', 'any']).prefault('auto').describe('Which ports must show a RARP first while another node\'s claim stands: `auto` a veth, `rarp` all, `any` none.'),
  elevatedFor: duration('1s', '24h').prefault('90s').describe('Profiles window, prepend and ladder: how long a claim stays elevated, or on its step. Longer than Hold Time and restart time together.'),
  debounce: duration('0ms', '60s').prefault('1500ms').describe('Repeats of one announcement within this time count once.'),
  withdrawOn: z.array(z.enum(['uplink-announcement', 'remote-claim', 'port-gone'])).min(1, { error: 'lists no sign, so no route would ever leave' }).prefault(['uplink-announcement', 'remote-claim', 'port-gone']).describe('Which signs make the source leave.'),
  withdrawAfter: duration('0ms', '10m').prefault('2s').describe('A leaving route whose port is gone, or whose VM answers no probe, goes after this time at the latest.'),
  portGoneGrace: duration('0ms', '10m').prefault('2s').describe('A port that returns within this time with the same MAC and VLAN is no departure (guest reboot).'),
  maxPerSecond: whole(1, 100_000).prefault(100).describe('Announcements per port, of MACs without a binding. Those of bound MACs are queued, never dropped.'),
  flap: z.strictObject({
    moves: whole(2, 100).prefault(5).describe('After so many moves the address is held. Only moves in which both nodes showed life at once count.'),
    within: duration('1s', '24h').prefault('180s').describe('The time in which they must lie.'),
    hold: parsed('duration or until-cleared', (value): Parsed<number | 'until-cleared'> => {
      if (value === 'until-cleared') return { value };
      const ms = parseDuration(value);
      if ('error' in ms) return { error: 'must be a duration such as 60s, or until-cleared' };
      return ms.value < 1000 || ms.value > 86_400_000 ? { error: 'must be 1s to 24h, or until-cleared' } : ms;
    }, '^(\\d{1,9}(ms|s|m|h)|until-cleared)$').prefault('60s').describe('How long it is held: a time, or `until-cleared` (`landfall clear PREFIX`).'),
  }).prefault({}).describe('The rule against an address that lives at two nodes.'),
}).prefault({});

const gateCheck = z.strictObject({
  file: path.optional().describe('Open when this file exists, such as `/run/policy/{port}`.'),
  unix: text('path', /^\/[^\0]{0,106}$/, 'must be an absolute path of at most 107 characters').optional().describe('Open when the service on this Unix socket answers `open` to the line `PORT IFINDEX`.'),
}).refine((value) => Object.keys(value).length === 1, { error: 'needs exactly one of file and unix' });

const gate = z.strictObject({
  checks: z.array(gateCheck).max(8, { error: 'at most 8 checks' }).prefault([]).describe('All must be open. `{port}` in a path is the name of the port. Empty: no gate.'),
  timeout: duration('0ms', '10m').prefault('500ms').describe('How long a claim is held for a gate that is shut, until `onTimeout` decides.'),
  onTimeout: z.enum(['closed', 'open']).prefault('closed').describe('`closed`: the claim waits on until the gate opens. `open`: it goes out all the same.'),
}).prefault({});

const binding = z.strictObject({
  vm: text('name', /^[\x21-\x7e]{1,253}$/, 'must be 1 to 253 printable characters without blanks').describe('A name for people, such as `shop/web-1`.'),
  mac: parsed('MAC', parseUnicastMac).describe('The VM\'s MAC on this network.'),
  vlan: whole(0, 4094).optional().describe('0 is untagged. Default: whatever VLAN the MAC is heard on.'),
  vrf: vrf.prefault('default'),
  ips: z.array(hostAddress).min(1, { error: 'needs at least one address' }).max(64, { error: 'at most 64 addresses' }).describe('All addresses, IPv4 and IPv6.'),
  port: portPattern.optional().describe('Pattern of the names of the ports behind which this MAC may be (`tap101*`); from any other it is refused. Default: any port that is not marked as another guest\'s.'),
});
const bindings = z.array(binding).max(65_536, { error: 'at most 65536 bindings' });

const identity = z.strictObject({
  mode: z.enum(['strict', 'learn']).prefault('strict').describe('`strict`: bindings only. `learn`: the first MAC that shows an address inside `watch.prefixes` keeps it.'),
  onConflict: z.enum(['keep', 'newest']).prefault('keep').describe('Mode learn: the same address from another MAC.'),
  learnedFor: duration('1m', '8760h').prefault('24h').describe('Mode learn: how long a pair is remembered.'),
  learnedIdleFor: duration('1m', '8760h').prefault('30m').describe('Mode learn: an address that was not heard for this time, while its VM was active, is asked for; three times no answer, minute by minute, and it is dropped and withdrawn (the VM has changed its address). Bindings do not age.'),
  unverifiedPorts: z.enum(['allow', 'refuse']).prefault('allow').describe('Whether a port that bears no mark of its guest may take over an address that another node claims. Marks: `port` in the binding, `mac=…` in the interface alias, libvirt\'s tap MAC.'),
  shared: z.array(hostAddress).max(1024, { error: 'at most 1024 addresses' }).prefault([]).describe('Addresses that several MACs claim in turn (VRRP, keepalived), in every VRF. Each moves by its own announcement alone, never with a RARP, and the newest counts.'),
  bindingsFile: path.optional().describe('A file with a list of bindings, added to those below.'),
  bindings: bindings.prefault([]).describe('Who may claim what. A RARP carries a MAC and no address: it needs a binding, or a pair learned before.'),
}).prefault({});

const shape = {
  apiVersion: z.literal('landfall/v1').describe('The version of this format.'),
  node: z.strictObject({
    name: labelText.optional().describe('Default: the host name.'),
    labels: labels.prefault({}).describe('Matched by `nodeSelector`.'),
  }).prefault({}).describe('This node.'),
  bgp: bgp.describe('Our side of the sessions, and the routers.'),
  watch: z.array(watch).min(1, { error: 'watches no bridge' }).max(64).describe('Where announcements are heard.'),
  routes: routes.describe('What the routers are told.'),
  migration: migration.describe('How a move is recognised and carried out.'),
  identity: identity.describe('Who may claim which address.'),
  gate: gate.describe('The policy gate: a VM is not reachable here before its policy is in force.'),
  state: z.strictObject({
    file: path.optional().describe('What has to outlive the process: claims with their sequences, learned pairs, overrides. Default: `/var/lib/landfall/state.json` where that folder can be written to.'),
  }).prefault({}).describe('What a restart remembers.'),
  stragglers: z.strictObject({
    enabled: z.boolean().prefault(false).describe('Needs CAP_NET_ADMIN and `key`.'),
    mode: z.enum(['auto', 'on-link', 'vxlan']).prefault('auto').describe('How they travel: straight to the other node where both share a subnet (`on-link`), else by a VXLAN tunnel.'),
    ceiling: duration('100ms', '60s').prefault('5s').describe('They are passed on no longer than this, whatever the routers do.'),
    listen: parsed('address:port', parseListenAddress).prefault('0.0.0.0:17490').describe('Where other speakers are heard (UDP); `0.0.0.0` is every address, of both families. An address of its own is this end of the tunnel too; else that is the next hop of our routes.'),
    members: z.union([z.literal('auto'), z.array(hostAddress).max(4096)]).prefault('auto').describe('Who is told of a claim. `auto`: the next hop of the route that showed where the VM was; over eBGP that is a router, so name the nodes there.'),
    key: password.optional().describe('The key of the fleet: one of `credential`, `file`, `env`. Without the key nothing is told and nothing believed.'),
  }).superRefine((value, context) => {
    if (value.enabled && value.key === undefined) context.addIssue({ code: 'custom', path: ['key'], message: 'is required where stragglers are enabled: without a key nothing is told and nothing believed' });
    if (value.enabled && value.listen === 'off') context.addIssue({ code: 'custom', path: ['listen'], message: 'must be an address and a port' });
  }).prefault({}).describe('Until the routers have moved, the node that a VM left sends what still arrives for it on to the node that claims it.'),
  kernel: z.strictObject({
    routes: z.enum(['off', 'received', 'host']).prefault('off').describe('Which routes this node itself has to VMs. `off`: none. `received`: to VMs elsewhere, with proxy ARP and ND on the bridge; the subnet stays connected. `host`: to VMs here, with permanent neighbours; no subnet is connected. Needs CAP_NET_ADMIN. See docs/data-plane.md.'),
    refreshNeighbors: z.boolean().prefault(false).describe('The node\'s neighbour entry of a VM that moved here is written in the pass that announces. Needs CAP_NET_ADMIN.'),
  }).prefault({}).describe('The node\'s own data plane. Off by default: the VLAN is stretched, or another agent does it.'),
  process: z.strictObject({ scheduling: z.enum(['normal', 'fifo']).prefault('normal').describe('`fifo`: real-time priority; needs CAP_SYS_NICE.') }).prefault({}),
  telemetry: z.strictObject({
    listen: parsed('address:port', parseListenAddress).prefault('127.0.0.1:17479').describe('Where `/metrics`, `/healthz` and `/readyz` are answered over HTTP, or `off`. Anyone who can reach it can read it.'),
    web: z.boolean().prefault(false).describe('A page at `/` there: peers, prefixes and the timeline of each handover, read-only.'),
    perPrefixMetrics: z.boolean().prefault(false).describe('One series for each prefix; it grows with the number of VMs.'),
    history: z.strictObject({ keep: whole(1, 100_000).prefault(1000).describe('Migrations kept in memory for `show migrations`.'), file: path.optional().describe('A file (JSON lines) that keeps them over restarts. Default: `migrations.jsonl` beside the state file, where that folder can be written to.') }).prefault({}),
  }).prefault({}),
  log: z.strictObject({
    level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).prefault('info'),
    format: z.enum(['auto', 'json', 'text']).prefault('auto').describe('`auto`: JSON where stderr is no terminal.'),
  }).prefault({}),
  api: z.strictObject({
    socket: text('path', /^\/[^\0]{0,106}$/, 'must be an absolute path of at most 107 characters').prefault('/run/landfall/landfall.sock').describe('The Unix socket of the command line.'),
    mode: parsed('file mode', parseFileMode).prefault('0660').describe('Who may connect, in quotes (`"0660"`).'),
    group: text('name', /^[a-zA-Z0-9._-]{1,32}$/, 'must be the name of a group').optional().describe('The group of the socket file.'),
  }).prefault({}),
};

const override = z.strictObject({
  nodeSelector: nodeSelector.describe('On nodes with all of these labels.'),
  ...Object.fromEntries(Object.entries(shape).filter(([key]) => !['apiVersion', 'node'].includes(key)).map(([key, value]) => [key, looser(value)])),
});

const root = z.strictObject({
  ...shape,
  overrides: z.array(override).max(64, { error: 'at most 64 overrides' }).prefault([]).describe('Merged on matching nodes, in order: keys of the same shape as above. Lists are replaced as a whole.'),
});

/** The same schema with every key optional and nothing filled in, also further down; elements of lists stay whole. */
function looser(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    const inner = looser(schema.unwrap() as z.ZodType);
    return describeLike(inner instanceof z.ZodOptional ? inner : inner.optional(), schema);
  }
  if (schema instanceof z.ZodObject && schema !== (password as z.ZodType)) {
    const keys = Object.entries(schema.shape as Record<string, z.ZodType>).map(([key, value]) => [key, looser(value)] as const);
    return describeLike(z.strictObject(Object.fromEntries(keys)).optional(), schema);
  }
  return describeLike(schema.optional(), schema);
}

function describeLike(schema: z.ZodType, like: z.ZodType): z.ZodType {
  return like.description === undefined ? schema : schema.describe(like.description);
}

/** What the schema makes of a file: all defaults filled in that depend on nothing else. */
export type Draft = z.output<typeof root>;
export type DraftPeer = z.output<typeof peer>;
export type DraftWatch = z.output<typeof watch>;
export type DraftBinding = z.output<typeof binding>;
export type DraftLevel = Draft['routes']['normal'];

export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type Checked<Value> = { readonly value: Value; readonly problems: readonly [] } | { readonly value?: undefined; readonly problems: readonly Problem[] };

export const checkRoot = (value: unknown): Checked<Draft> => check(root, value);
export const checkOverride = (value: unknown): Checked<unknown> => check(override, value);
export const checkBindingList = (value: unknown): Checked<DraftBinding[]> => check(bindings, value);

function check<Value>(schema: z.ZodType<Value>, value: unknown): Checked<Value> {
  const result = schema.safeParse(value, { error: sayInWords });
  if (result.success) return { value: result.data, problems: [] };
  return { problems: result.error.issues.map((issue) => ({ path: issue.path.filter((key) => typeof key !== 'symbol'), message: issue.message })) };
}

const kinds: Readonly<Record<string, string>> = { string: 'text', number: 'a number', boolean: 'true or false', array: 'a list', object: 'keys and values', record: 'keys and values' };

/** Our words for zod's findings. They never repeat a value that could be a password typed into the wrong place. */
function sayInWords(issue: z.core.$ZodRawIssue): string {
  const { input } = issue;
  if (input === null && ['invalid_type', 'invalid_value', 'invalid_union'].includes(issue.code)) return 'has no value; give one, or leave the key out';
  switch (issue.code) {
    case 'invalid_type':
      if (input === undefined) return 'is required';
      return `must be ${kinds[issue.expected] ?? issue.expected}, not ${kindOf(input)}${issue.expected === 'string' && ['number', 'boolean'].includes(typeof input) ? '; write it in quotes' : ''}`;
    case 'invalid_value':
      return input === undefined ? 'is required' : oneOf(input, issue.values.map(String));
    case 'too_big':
      return issue.origin === 'array' ? `has more than ${issue.maximum} entries` : `must be at most ${issue.maximum}`;
    case 'unrecognized_keys':
      return `has unknown keys: ${issue.keys.map(quote).join(', ')}`;
    case 'invalid_key':
      return (issue.issues[0]?.message ?? 'is no valid key').replace(/^must/, 'the name of a label must');
    default:
      return issue.message ?? 'is not valid'; // our own checks bring their words
  }
}

function oneOf(input: unknown, values: readonly string[]): string {
  const close = typeof input === 'string' ? nearest(input, values) : undefined;
  const hint = close === undefined ? '' : `; did you mean ${quote(close)}?`;
  return values.length === 1 ? `must be ${quote(values[0] as string)}` : `must be one of ${values.join(', ')}${hint}`;
}

function kindOf(input: unknown): string {
  if (input === null) return 'empty';
  return kinds[Array.isArray(input) ? 'array' : typeof input] ?? 'something else';
}

/** Which keys there are, and what kind of value each takes. */
export const rootKeys: KeyTree = keysOf(root);
export const bindingListKeys: KeyTree = keysOf(bindings);

function keysOf(schema: z.ZodType): KeyTree {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return { ...keysOf(schema.unwrap() as z.ZodType), optional: true };
  if (schema instanceof z.ZodPipe) return keysOf(schema.in as z.ZodType);
  if (schema instanceof z.ZodArray) return { kind: 'list', item: keysOf(schema.element as z.ZodType), optional: false };
  if (schema instanceof z.ZodRecord) return { kind: 'record', optional: false };
  if (schema instanceof z.ZodObject) {
    const keys = Object.entries(schema.shape as Record<string, z.ZodType>).map(([key, value]) => [key, keysOf(value)] as const);
    return { kind: 'map', keys: new Map(keys), optional: false };
  }
  if (schema instanceof z.ZodUnion) return { kind: 'any', optional: false };
  return { kind: schema instanceof z.ZodNumber ? 'number' : schema instanceof z.ZodBoolean ? 'boolean' : 'text', optional: false };
}

/** JSON Schema (2020-12) of the file, before `${NAME}` is allowed for. */
export function rawJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(root, { io: 'input', reused: 'inline' });
}
