import { isIpv4, type Family } from '../../net/ip.ts';
import type { Mapping, Neighbor, TorIntent } from './intent.ts';

/**
 * FRR 8 and later. Lists and route-maps stand before `router bgp`: FRR denies everything for its first seconds when a neighbour names a
 * route-map that is defined further down.
 */
export function frrConfig(intent: TorIntent): string {
  return [...frrPolicy(intent), ...frrRouter(intent), '!', ''].join('\n');
}

export function frrPolicy(intent: TorIntent): string[] {
  return [
    ...intent.families.flatMap((family) => intent.prefixes[family].map((prefix, i) =>
      `${isIpv4(prefix) ? 'ip' : 'ipv6'} prefix-list ${listOf(family)} seq ${5 * (i + 1)} permit ${prefix} ${isIpv4(prefix) ? hostLength(prefix, 32) : hostLength(prefix, 128)}`)),
    '!',
    ...intent.mappings.map(communityList),
    ...(intent.mappings.length === 0 ? [] : ['!', ...routeMap('LANDFALL-IN', intent, false), '!']),
    ...(intent.mappings.length === 0 || (intent.role !== 'spine' && intent.fabric.length === 0) ? [] : [...routeMap('LANDFALL-FABRIC-IN', intent, true), '!']),
  ];
}

function hostLength(prefix: string, bits: number): string {
  return prefix.endsWith(`/${bits}`) ? '' : `ge ${bits}`;
}

function listOf(family: Family): string {
  return family === 'ipv4-unicast' ? 'LANDFALL-VMS' : 'LANDFALL-VMS6';
}

function communityList({ name, community, large }: Mapping): string {
  return large ? `bgp large-community-list standard LANDFALL-${name} seq 5 permit ${community}` : `bgp community-list standard LANDFALL-${name} seq 5 permit ${community}`;
}

/** Towards the fabric the map speaks of VM routes only and lets everything else pass as before. */
function routeMap(name: string, intent: TorIntent, fabric: boolean): string[] {
  const lines: string[] = [];
  let sequence = 0;
  const term = (...inner: string[]): void => {
    sequence += 10;
    lines.push(`route-map ${name} permit ${sequence}`, ...inner.map((line) => ` ${line}`));
  };
  for (const { name: level, large, localPref } of intent.mappings) {
    const match = `match ${large ? 'large-community' : 'community'} LANDFALL-${level}`;
    if (!fabric) term(match, `set local-preference ${localPref}`);
    else for (const family of intent.families) term(`match ${family === 'ipv4-unicast' ? 'ip' : 'ipv6'} address prefix-list ${listOf(family)}`, match, `set local-preference ${localPref}`);
  }
  if (fabric) term();
  else term(`set local-preference ${intent.unknownLocalPref}`);
  return lines;
}

export function frrRouter(intent: TorIntent): string[] {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  const all = [...nodeFacing, ...fabricFacing];
  return [
    `router bgp ${intent.asn}${intent.asnUnknown ? '\n ! CHANGE the AS number above to this router\'s' : ''}`,
    ' no bgp default ipv4-unicast',
    // The lists below are the policy that RFC 8212 asks for on eBGP; FRR wants a route-map and would take a list for none.
    ...(intent.ibgp ? [] : [' no bgp ebgp-requires-policy']),
    ' no bgp network import-check',
    ...all.flatMap((neighbor) => neighborLines(intent, neighbor, nodeFacing.includes(neighbor))),
    ...intent.families.flatMap((family) => [
      ` address-family ${family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'} unicast`,
      ...nodeFacing.flatMap(({ address }) => [
        `  neighbor ${address} activate`,
        `  neighbor ${address} send-community all`,
        ...(intent.ibgp ? [`  neighbor ${address} route-reflector-client`] : []),
        `  neighbor ${address} prefix-list ${listOf(family)} in`,
        `  neighbor ${address} prefix-list ${listOf(family)} out`,
        ...(intent.mappings.length === 0 ? [] : [`  neighbor ${address} route-map LANDFALL-IN in`]),
        `  neighbor ${address} maximum-prefix ${intent.maxPrefixes[family]} restart 1`,
      ]),
      ...fabricFacing.flatMap(({ address }) => [
        `  neighbor ${address} activate`,
        `  neighbor ${address} send-community all`,
        ...(intent.mappings.length === 0 ? [] : [`  neighbor ${address} route-map LANDFALL-FABRIC-IN in`]),
      ]),
      ' exit-address-family',
    ]),
  ];
}

function neighborLines(intent: TorIntent, { address, asn }: Neighbor, node: boolean): string[] {
  return [
    ` neighbor ${address} remote-as ${asn}`,
    ` neighbor ${address} advertisement-interval 0`,
    ...(!node ? [] : [
      ` neighbor ${address} description landfall`,
      // The node dials. A router that dials too only makes collisions.
      ` neighbor ${address} passive`,
      ` neighbor ${address} timers ${intent.keepaliveSeconds} ${intent.holdSeconds}`,
      ...(intent.ttlSecurity ? [` neighbor ${address} ttl-security hops 1`] : []),
      ...(intent.multihop !== undefined && !intent.ibgp ? [` neighbor ${address} ebgp-multihop ${intent.multihop}`] : []),
      ...(intent.password ? [` neighbor ${address} password CHANGE-ME`] : []),
    ]),
  ];
}
