import type { BridgeState } from '../../bridge/fdb.ts';
import { doublyListedPorts, missingBridges, portsOf, unlistedPorts, unsupportedBridges } from '../../bridge/locate.ts';
import { matchesPattern, portMark, type VlanRange } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import { watchesOf } from '../watch.ts';
import { atMost, fail, ok, some, warn, type Finding } from './finding.ts';
import type { HostState } from './host-state.ts';

/** The watched bridges themselves: there, of the right kind, with ports on both sides. */
export function checkBridges(bridges: BridgeState, config: Config): Finding[] {
  const watches = watchesOf(config.watch);
  const missing = missingBridges(bridges, watches);
  const unsupported = new Map(unsupportedBridges(bridges, watches).map(({ bridge, kind }) => [bridge, kind]));
  return names(config).map((name): Finding => {
    const index = config.watch.findIndex((watch) => watch.bridge === name);
    if (missing.includes(name)) return fail('bridge', `${name} does not exist: nothing is heard there`, `create it, or change watch[${index}].bridge`);
    const kind = unsupported.get(name);
    if (kind !== undefined) {
      return fail('bridge', `${name} is ${kind === 'openvswitch' ? 'an Open vSwitch bridge: its frames and its forwarding table do not pass where landfall looks' : `of kind ${kind}, not a Linux bridge`}: nothing is heard there`,
        `use a Linux bridge for the VMs, and name it in watch[${index}].bridge`);
    }
    const ports = watches.filter((watch) => watch.bridge === name).flatMap((watch) => portsOf(bridges, watch));
    const of = (role: string): string => some([...new Set(ports.filter((port) => port.role === role).map(({ link }) => link.name))], 8).replaceAll(',', '');
    const filtering = bridges.links.get(bridges.byName.get(name) ?? -1)?.vlanFiltering === true;
    const local = of('local');
    const uplink = of('uplink');
    return ok('bridge', `${name}: vlan_filtering ${filtering ? 1 : 0}; ${local === '' ? 'no local ports yet' : `local ports ${local}`}; ${uplink === '' ? 'no uplink' : `uplink ${uplink}`}`);
  });
}

/** Ports that the configuration forgets, or means twice. */
export function checkPorts(bridges: BridgeState, config: Config): Finding[] {
  const watches = watchesOf(config.watch);
  const index = (bridge: string): number => config.watch.findIndex((watch) => watch.bridge === bridge);
  const unlisted = unlistedPorts(bridges, watches).map(({ link, bridge }) =>
    fail('ports', `${link.name} is on ${bridge} and in neither ports.local nor ports.uplink: its VM is never announced`, `add "${patternFor(link.name)}" to watch[${index(bridge)}].ports.local, or to ports.uplink where it leads to the fabric`));
  const doubly = doublyListedPorts(bridges, watches).map(({ link, bridge }) =>
    warn('ports', `${link.name} on ${bridge} is in both ports.local and ports.uplink: taken as an uplink, so its VM is never announced`, `make the patterns of watch[${index(bridge)}].ports differ`));
  return atMost([...unlisted, ...doubly], (count) => fail('ports', `${count} more ports are in no list, or in both`, 'landfall status names each'));
}

/** `tap7` and `tap1f3a92c0-4e` → `tap*`: its like have other numbers. */
function patternFor(name: string): string {
  const hex = /[0-9a-f-]{4,}$/.exec(name)?.[0] ?? '';
  const stem = /\d/.test(hex) ? name.slice(0, -hex.length) : name.replace(/\d+$/, '');
  return stem === name || stem === '' ? name : `${stem}*`;
}

/** Local ports of a bridge that filters VLANs, none of which is watched. */
export function checkPortVlans(bridges: BridgeState, config: Config): Finding[] {
  const watches = watchesOf(config.watch);
  const found = names(config).flatMap((name): Finding[] => {
    const ofBridge = watches.filter(({ bridge }) => bridge === name);
    const ports = new Map(ofBridge.flatMap((watch) => portsOf(bridges, watch)).filter(({ role }) => role === 'local').map(({ link }) => [link.name, link.vlans]));
    const isHeard = (vlans: readonly VlanRange[]): boolean => vlans.some(([from, to]) => ofBridge.some((watch) => watch.vlans === undefined || watch.vlans.some(([low, high]) => low <= to && from <= high)));
    return [...ports].flatMap(([port, vlans]) => (vlans === undefined || isHeard(vlans) ? [] : [fail('vlan',
      `${port} on ${name} is in ${vlans.length === 0 ? 'no VLAN' : `VLAN ${some(vlans.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)))}`}, and none of that is watched: its VM is never announced`,
      `bridge vlan add dev ${port} vid ${ofBridge.find((watch) => watch.vlans !== undefined)?.vlans?.[0]?.[0] ?? 'VLAN'} pvid untagged; or watch[].vlans`)]));
  });
  return atMost(found, (count) => fail('vlan', `${count} more ports are in no VLAN that is watched`, 'bridge vlan show'));
}

/** A bridge takes the lowest MAC among its ports unless it has one of its own, and guests lose their gateway when that changes. */
export function checkBridgeMac(host: HostState, config: Config): Finding[] {
  const { bridges } = host;
  if (bridges === undefined) return [];
  return names(config).flatMap((name): Finding[] => {
    const link = bridges.links.get(bridges.byName.get(name) ?? -1);
    if (link?.mac === undefined || link.kind !== 'bridge' || host.fixedMac.has(name)) return [];
    const ports = [...(bridges.ports.get(link.ifindex) ?? [])].map((ifindex) => bridges.links.get(ifindex)).filter((port) => port?.mac !== undefined);
    const lowest = ports.map((port) => port?.mac as string).sort()[0];
    if (lowest === undefined ? !host.drawnMac.has(name) : link.mac !== lowest) return [];
    const whose = ports.find((port) => port?.mac === lowest)?.name;
    return [warn('bridge-mac', `${name} has no MAC of its own${whose === undefined ? '' : `: ${link.mac} is that of its port ${whose}`}, so it changes as ports come and go, and with it the guests' gateway`,
      `ip link set ${name} address ${link.mac} (and the same in the host's network configuration)`)];
  });
}

/** Ports of which nobody says whose they are. */
export function checkMarks(bridges: BridgeState, config: Config): Finding[] {
  if (config.identity.unverifiedPorts === 'refuse') return [];
  const bound = config.identity.bindings.flatMap(({ port }) => (port === undefined ? [] : [port]));
  const local = watchesOf(config.watch).flatMap((watch) => portsOf(bridges, watch)).filter((port) => port.role === 'local');
  const unmarked = local.filter(({ link }) => portMark(link) === undefined && !bound.some((pattern) => matchesPattern(pattern, link.name))).map(({ link }) => link.name);
  if (unmarked.length === 0) return local.length === 0 ? [] : [ok('marks', `all ${local.length} local ports bear a mark of their guest`)];
  return [warn('marks', `${unmarked.length} of ${local.length} local ports bear no mark of their guest (${some(unmarked, 4)}): whoever is behind one can take over any VM's address by forging its MAC`,
    'libvirt marks taps by their MAC; else ip link set PORT alias mac=MAC, or identity.unverifiedPorts: refuse')];
}

function names(config: Config): string[] {
  return [...new Set(config.watch.map((watch) => watch.bridge))];
}
