import { matchesPattern } from '../bridge/ports.ts';
import { type IpAddress, type Prefix, isLinkLocal, isUnusable, makePrefix, parseIp, prefixContains, prefixLength } from '../net/ip.ts';
import { parseMac } from '../net/mac.ts';
import { printable } from '../net/printable.ts';
import { parseNetwork } from './values.ts';
import type { FoundBridge, HostFacts, Platform } from './host-facts.ts';

/** The names that a platform gives to the ports of its guests. */
const guestPorts: Readonly<Record<Platform, readonly string[]>> = {
  kubevirt: ['veth*'],
  libvirt: ['vnet*', 'tap*'],
  // With Proxmox's firewall on, the port of a guest is fwpr<vmid>p<n>.
  proxmox: ['tap*', 'veth*', 'fwpr*'],
};

const example = { router: '192.0.2.1', asn: 65010, bridge: 'br-vlan', uplink: 'bond0', prefix: '203.0.113.0/24', gateway: '203.0.113.1' };

/**
 * A commented configuration that passes `config check`: what was found is filled in, what can't be known has an example value and the
 * word CHANGE beside it.
 */
export function makeStarter(facts: HostFacts, wanted?: Platform): string {
  const platform = wanted ?? facts.platform ?? 'libvirt';
  const bridges = bestBridges(facts);
  return [
    ...head(facts, platform),
    ...bgpSection(facts),
    ...leftOut(facts),
    'watch:',
    ...(bridges.length === 0 ? watchOf(undefined, facts, platform) : bridges.flatMap((bridge) => watchOf(bridge, facts, platform))),
    '',
    ...identitySection(facts, platform),
    ...(platform === 'kubevirt' ? podSection : []),
    '# All other keys have defaults: docs/configuration.md lists them.',
    '',
  ].join('\n');
}

function head(facts: HostFacts, platform: Platform): string[] {
  const found = facts.bridges.map((bridge) => printable(bridge.name)).join(', ');
  return [
    '# yaml-language-server: $schema=/usr/share/landfall/landfall.schema.json',
    `# landfall on ${printable(facts.hostName)} (${platform}). Look at each line that says CHANGE, then run: landfall config check FILE`,
    `# Found here: ${found === '' ? 'no bridge' : `bridges ${found}`}; ${facts.guests.length} guest interfaces known to libvirt.`,
    'apiVersion: landfall/v1',
    ...(platform === 'kubevirt' ? ['node:', '  name: ${NODE_NAME:-}   # from the downward API; empty: the host name'] : []),
  ];
}

function bgpSection({ gateway, speakers, addresses }: HostFacts): string[] {
  const router = usable(gateway?.address);
  const ipv6 = addresses.find(({ address, interface: name }) => address.includes(':') && name === gateway?.interface && usable(address) !== undefined);
  return [
    '',
    ...(speakers.length === 0 ? [] : [
      `# ${speakers.map((name) => printable(name)).join(' and ')} runs here. Two speakers can't both hold a session from this address to one router: peer with`,
      '# the one that runs, or give landfall a sourceAddress of its own.',
    ]),
    'bgp:',
    `  asn: ${example.asn}   # CHANGE: the AS number of this node`,
    '  peers:',
    '    - name: tor-a',
    `      address: ${router ?? example.router}   # CHANGE: ${router === undefined ? 'the router (ToR) of this node' : "the router (ToR); this is the host's default gateway"}`,
    `      asn: ${example.asn}   # CHANGE: the router's. Equal to bgp.asn: iBGP. Different: eBGP, which also needs routes: {profile: …}`,
    '      # password: {credential: bgp-tor-a}   # systemd LoadCredential; or {file: /path} or {env: NAME}',
    ipv6 === undefined
      ? '      # nextHop: {ipv6: "2001:db8::17"}   # this node\'s IPv6 address, where the session runs over IPv4'
      : `      nextHop: {ipv6: ${JSON.stringify(usable(ipv6.address))}}   # found on ${printable(ipv6.interface)}`,
    '',
  ];
}

/** Bridges that are never the one towards the fabric, and why. */
const sideBridges: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /^fwbr\d+i\d+$/, why: "Proxmox's firewall: the VM's port on the real bridge is fwpr<vmid>p<n>" },
  { pattern: /^(docker\d+|br-[0-9a-f]{12}|cni\d+|cbr\d+)$/, why: 'containers with addresses of this node alone' },
  { pattern: /^virbr\d+$/, why: "libvirt's own network, behind NAT" },
];

const sideOf = (name: string): string | undefined => sideBridges.find(({ pattern }) => pattern.test(name))?.why;

/** What is here and can't or need not be watched, as comments. */
function leftOut({ bridges, openVswitchPorts }: HostFacts): string[] {
  const side = bridges.flatMap(({ name }) => { const why = sideOf(name); return why === undefined ? [] : [`# Left out: ${name} (${why}).`]; });
  const shown = openVswitchPorts.slice(0, 8).map((name) => printable(name)).join(' ');
  return [
    ...side.slice(0, 16),
    ...(openVswitchPorts.length === 0 ? [] : [
      `# NOT SUPPORTED: Open vSwitch has ${openVswitchPorts.length} ports here (${shown}${openVswitchPorts.length > 8 ? ' …' : ''}). Its frames and its forwarding table do not pass`,
      '# where landfall looks, so VMs on it are never announced. Only a Linux bridge can be watched.',
    ]),
  ];
}

/** Bridges with guests first; else all that have ports. */
function bestBridges({ bridges, guests }: HostFacts): FoundBridge[] {
  const sane = bridges.filter(({ name }, i) => isName(name) && sideOf(name) === undefined && bridges.findIndex((other) => other.name === name) === i);
  const withGuests = sane.filter((bridge) => bridge.ports.some((port) => port.kind === 'guest') || guests.some((guest) => guest.bridge === bridge.name));
  const chosen = withGuests.length > 0 ? withGuests : sane.filter((bridge) => bridge.ports.length > 0);
  return (chosen.length > 0 ? chosen : sane).slice(0, 8);
}

function watchOf(bridge: FoundBridge | undefined, facts: HostFacts, platform: Platform): string[] {
  const uplinks = bridge?.ports.filter((port) => port.kind === 'fabric' && isName(port.name)).map((port) => port.name) ?? [];
  const local = [...guestPorts[platform]];
  for (const port of bridge?.ports ?? []) {
    if (port.kind !== 'guest' || !isName(port.name) || local.some((pattern) => matchesPattern(pattern, port.name))) continue;
    local.push(`${port.name.replace(/\d+$/, '')}*`);
  }
  const { prefixes, exclude } = networksOf(bridge, facts);
  const guessed = prefixes.length === 0;
  return [
    `  - bridge: ${bridge === undefined ? `${example.bridge}   # CHANGE: no bridge was found here` : JSON.stringify(bridge.name)}`,
    ...(bridge?.vlanFiltering === true ? ['    # vlans: [100, "200-210"]   # default: every VLAN on the bridge'] : []),
    '    ports:',
    `      local: ${JSON.stringify(local)}   # ports of guests`,
    `      uplink: ${uplinks.length > 0 ? `${JSON.stringify(uplinks)}   # found here` : bridge === undefined ? `[${example.uplink}]   # CHANGE: the port towards the fabric` : '[]   # none was found: a routed node, or CHANGE'}`,
    guessed
      ? `    prefixes: [${example.prefix}]   # CHANGE: the networks of the VMs; nothing outside is ever announced`
      : `    prefixes: ${JSON.stringify(prefixes)}   # CHANGE if the VMs' networks are not those of the bridge's own addresses`,
    guessed ? `    exclude: [${example.gateway}]   # CHANGE: the gateways` : `    exclude: ${JSON.stringify(exclude)}   # the gateways: add those that are not this node's`,
  ];
}

function networksOf(bridge: FoundBridge | undefined, { addresses, gateway }: HostFacts): { readonly prefixes: readonly Prefix[]; readonly exclude: readonly IpAddress[] } {
  const own = addresses.filter((found) => found.interface === bridge?.name).flatMap(({ address, cidr }) => {
    const ip = usable(address);
    return ip === undefined ? [] : [{ ip, prefix: makePrefix(ip, Number(cidr.split('/')[1])) }];
  });
  const prefixes = [...new Set(own.map(({ prefix }) => prefix))].filter((prefix) => prefixLength(prefix) > 0 && !('error' in parseNetwork(prefix)));
  const router = usable(gateway?.address);
  const exclude = [...own.map(({ ip }) => ip), ...(router === undefined ? [] : [router])].filter((ip) => prefixes.some((prefix) => prefixContains(prefix, ip)));
  return { prefixes, exclude: [...new Set(exclude)] };
}

function identitySection({ guests }: HostFacts, platform: Platform): string[] {
  const known = guests.flatMap(({ name, mac, bridge }) => {
    const address = parseMac(mac);
    return address === undefined ? [] : [`  #   - {vm: ${JSON.stringify(wordOf(name))}, mac: "${address}", ips: [CHANGE]}   # on ${printable(bridge)}`];
  });
  const mode = platform === 'kubevirt' ? 'learn' : 'strict';
  return [
    'identity:',
    mode === 'learn'
      ? '  mode: learn   # the first MAC that shows an address keeps it. strict: only what bindings say'
      : '  mode: strict   # only what bindings say. learn: the first MAC that shows an address keeps it',
    '  # A RARP carries a MAC and no address: each VM needs a binding (or, in mode learn, must have been heard before).',
    '  # bindings:',
    ...(known.length > 0 ? known : ['  #   - {vm: web-1, mac: "52:54:00:aa:00:01", ips: [203.0.113.11, "2001:db8:100::11"]}']),
    '',
  ];
}

/** What the manifests set by the environment of the pod: without it the probes of component metrics find nobody, and other components change nothing. */
const podSection: readonly string[] = [
  '# The components of the manifests (metrics, kernel, kubernetes) set these.',
  'telemetry: {listen: "${TELEMETRY_LISTEN:-127.0.0.1:17479}"}',
  'kernel: {routes: "${KERNEL_ROUTES:-off}"}',
  'kubernetes: {enabled: "${KUBERNETES_ENABLED:-false}"}',
  'api: {mode: "0600"}',
  '',
];

function usable(address: string | undefined): IpAddress | undefined {
  const ip = parseIp(address ?? '');
  return ip === undefined || isUnusable(ip) || isLinkLocal(ip) ? undefined : ip;
}

/** What the configuration accepts as the name of an interface. */
function isName(name: string): boolean {
  return /^[\x21-\x7e]{1,15}$/.test(name) && !/[/:]|\$\{/.test(name);
}

function wordOf(name: string): string {
  return name.replace(/[^\x21-\x7e]/g, '-').slice(0, 253);
}
