import * as z from 'zod';
import type { IpAddress } from '../../net/ip.ts';
import { type Parsed, parseAddress, parseDuration, parseUnicastMac, parseVlans } from '../values.ts';
import { duration, hostAddress, parsed, path, prefix, text, vrf, whole } from './kinds.ts';

// `watch`, `migration`, `gate` and `identity`: where VMs are heard, what a move is, and who may claim what.

const portPattern = text('pattern', /^[^\s/\0]{1,64}$/, 'must be an interface name or pattern, such as "vnet*"');
export const watch = z.strictObject({
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

export const migration = z.strictObject({
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

export const gate = z.strictObject({
  checks: z.array(gateCheck).max(8, { error: 'at most 8 checks' }).prefault([]).describe('All must be open. `{port}` in a path is the name of the port. Empty: no gate.'),
  timeout: duration('0ms', '10m').prefault('500ms').describe('How long a claim is held for a gate that is shut, until `onTimeout` decides.'),
  onTimeout: z.enum(['closed', 'open']).prefault('closed').describe('`closed`: the claim waits on until the gate opens. `open`: it goes out all the same.'),
}).prefault({});

export const binding = z.strictObject({
  vm: text('name', /^[\x21-\x7e]{1,253}$/, 'must be 1 to 253 printable characters without blanks').describe('A name for people, such as `shop/web-1`.'),
  mac: parsed('MAC', parseUnicastMac).describe('The VM\'s MAC on this network.'),
  vlan: whole(0, 4094).optional().describe('0 is untagged. Default: whatever VLAN the MAC is heard on.'),
  vrf: vrf.prefault('default'),
  ips: z.array(hostAddress).min(1, { error: 'needs at least one address' }).max(64, { error: 'at most 64 addresses' }).describe('All addresses, IPv4 and IPv6.'),
  port: portPattern.optional().describe('Pattern of the names of the ports behind which this MAC may be (`tap101*`); from any other it is refused. Default: any port that is not marked as another guest\'s.'),
});
export const bindings = z.array(binding).max(65_536, { error: 'at most 65536 bindings' });

export const identity = z.strictObject({
  mode: z.enum(['strict', 'learn']).prefault('strict').describe('`strict`: bindings only. `learn`: the first MAC that shows an address inside `watch.prefixes` keeps it.'),
  onConflict: z.enum(['keep', 'newest']).prefault('keep').describe('Mode learn: the same address from another MAC.'),
  learnedFor: duration('1m', '8760h').prefault('24h').describe('Mode learn: how long a pair is remembered.'),
  learnedIdleFor: duration('1m', '8760h').prefault('30m').describe('Mode learn: an address that was not heard for this time, while its VM was active, is asked for; three times no answer, minute by minute, and it is dropped and withdrawn (the VM has changed its address). Bindings do not age.'),
  unverifiedPorts: z.enum(['allow', 'refuse']).prefault('allow').describe('Whether a port that bears no mark of its guest may take over an address that another node claims. Marks: `port` in the binding, `mac=…` in the interface alias, libvirt\'s tap MAC.'),
  shared: z.array(hostAddress).max(1024, { error: 'at most 1024 addresses' }).prefault([]).describe('Addresses that several MACs claim in turn (VRRP, keepalived), in every VRF. Each moves by its own announcement alone, never with a RARP, and the newest counts.'),
  bindingsFile: path.optional().describe('A file with a list of bindings, added to those below.'),
  bindings: bindings.prefault([]).describe('Who may claim what. A RARP carries a MAC and no address: it needs a binding, or a pair learned before.'),
}).prefault({});
