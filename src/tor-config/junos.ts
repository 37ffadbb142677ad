import { isIpv4, prefixLength, type Prefix } from '../../net/ip.ts';
import type { Neighbor, TorIntent } from './intent.ts';

/** Junos, `set` form. Statement names are those of Juniper's BGP User Guide. Not tried on a device. */
export function junosConfig(intent: TorIntent): string {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  return [
    `set routing-options autonomous-system ${intent.asn}`,
    ...intent.mappings.map(({ name, community, large }) => `set policy-options community LANDFALL-${name} members ${large ? 'large:' : ''}${community}`),
    ...(nodeFacing.length === 0 ? [] : [...policy('LANDFALL-IN', intent, false), ...outPolicy(intent), ...group('LANDFALL-NODES', intent, nodeFacing, true)]),
    ...(fabricFacing.length === 0 ? [] : [...(intent.mappings.length === 0 ? [] : policy('LANDFALL-FABRIC-IN', intent, true)), ...group('LANDFALL-FABRIC', intent, fabricFacing, false)]),
    '',
  ].join('\n');
}

function hosts(prefix: Prefix): string {
  const bits = isIpv4(prefix) ? 32 : 128;
  return prefixLength(prefix) === bits ? `${prefix} exact` : `${prefix} prefix-length-range /${bits}-/${bits}`;
}

function policy(name: string, intent: TorIntent, fabric: boolean): string[] {
  const base = `set policy-options policy-statement ${name}`;
  const prefixes = intent.families.flatMap((family) => intent.prefixes[family]);
  const term = (term: string, from: readonly string[], then: readonly string[]): string[] => [
    ...prefixes.map((prefix) => `${base} term ${term} from route-filter ${hosts(prefix)}`),
    ...from.map((line) => `${base} term ${term} from ${line}`),
    ...then.map((line) => `${base} term ${term} then ${line}`),
  ];
  return [
    ...intent.mappings.flatMap(({ name: level, localPref }) => term(level.toLowerCase(), [`community LANDFALL-${level}`], [`local-preference ${localPref}`, 'accept'])),
    ...(fabric ? [] : [
      ...term('vms', [], [...(intent.mappings.length === 0 ? [] : [`local-preference ${intent.unknownLocalPref}`]), 'accept']),
      `${base} term rest then reject`,
    ]),
  ];
}

function outPolicy(intent: TorIntent): string[] {
  const base = 'set policy-options policy-statement LANDFALL-OUT';
  return [
    ...intent.families.flatMap((family) => intent.prefixes[family].map((prefix) => `${base} term vms from route-filter ${hosts(prefix)}`)),
    `${base} term vms then accept`,
    `${base} term rest then reject`,
  ];
}

function group(name: string, intent: TorIntent, neighbors: readonly Neighbor[], node: boolean): string[] {
  const base = `set protocols bgp group ${name}`;
  return [
    `${base} type ${node && intent.ibgp ? 'internal' : 'external'}`,
    ...intent.families.flatMap((family) => {
      const words = family === 'ipv4-unicast' ? 'inet unicast' : 'inet6 unicast';
      return [`${base} family ${words}`, ...(node ? [`${base} family ${words} prefix-limit maximum ${intent.maxPrefixes[family]}`, `${base} family ${words} prefix-limit teardown 100 idle-timeout 1`] : [])];
    }),
    `${base} out-delay 0`,
    ...(node || intent.mappings.length > 0 ? [`${base} import ${node ? 'LANDFALL-IN' : 'LANDFALL-FABRIC-IN'}`] : []),
    ...(!node ? [] : [
      `${base} export LANDFALL-OUT`,
      `${base} passive`,
      `${base} hold-time ${intent.holdSeconds}`,
      ...(intent.ibgp ? [`${base} cluster 192.0.2.1`] : [`${base} advertise-peer-as`]),
      ...(intent.ttlSecurity ? [`${base} ttl 255`] : []),
      ...(intent.multihop !== undefined && !intent.ibgp ? [`${base} multihop ttl ${intent.multihop}`] : []),
      ...(intent.password ? [`${base} authentication-key CHANGE-ME`] : []),
    ]),
    ...neighbors.map(({ address, asn }) => `${base} neighbor ${address} peer-as ${asn}`),
  ];
}
