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
    ...(!routeMapped(intent) ? [] : ['!', ...routeMap('LANDFALL-IN', intent, false), '!']),
    ...(intent.ibgp || intent.role === 'spine' ? [] : ['route-map LANDFALL-OUT permit 10', '!']),
    ...(intent.mappings.length === 0 || (intent.role !== 'spine' && intent.fabric.length === 0) ? [] : [...routeMap('LANDFALL-FABRIC-IN', intent, true), '!']),
  ];
}

/** On eBGP FRR wants a route-map each way as the policy of RFC 8212, and takes a list for none. To lift that would lift it for all of the router's sessions. */
function routeMapped({ ibgp, mappings }: TorIntent): boolean {
  return !ibgp || mappings.length > 0;
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
  if (fabric || intent.mappings.length === 0) term();
  else term(`set local-preference ${intent.unknownLocalPref}`);
  return lines;
}

export function frrRouter(intent: TorIntent): string[] {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  const all = [...nodeFacing, ...fabricFacing];
  return [
    `router bgp ${intent.asn}${intent.asnUnknown ? '\n ! CHANGE the AS number above to this router\'s' : ''}`,
    ...fabricFacing.flatMap(({ address, asn }) => fabricRemarks(intent, address, asn)),
    ...all.flatMap((neighbor) => neighborLines(intent, neighbor, nodeFacing.includes(neighbor))),
    // What FRR activates by itself.
    ...(intent.families.includes('ipv4-unicast') ? [] : [' address-family ipv4 unicast', ...all.map(({ address }) => `  no neighbor ${address} activate`), ' exit-address-family']),
    ...intent.families.flatMap((family) => [
      ` address-family ${family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'} unicast`,
      ...nodeFacing.flatMap(({ address }) => [
        `  neighbor ${address} activate`,
        `  neighbor ${address} send-community all`,
        ...(intent.ibgp ? [`  neighbor ${address} route-reflector-client`] : []),
        `  neighbor ${address} prefix-list ${listOf(family)} in`,
        `  neighbor ${address} prefix-list ${listOf(family)} out`,
        ...(routeMapped(intent) ? [`  neighbor ${address} route-map LANDFALL-IN in`] : []),
        ...(intent.ibgp ? [] : [`  neighbor ${address} route-map LANDFALL-OUT out`]),
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

/** A neighbour has one route-map each way, so what is said here would take the place of what the router has. */
function fabricRemarks(intent: TorIntent, address: string, asn: number): string[] {
  return [
    ...(intent.mappings.length === 0 ? [] : [` ! CHANGE: where ${address} has an inbound route-map, LANDFALL-FABRIC-IN would replace it. Leave those lines out, and`, ' ! put before its terms: route-map ITS-NAME permit 1, with "call LANDFALL-FABRIC-IN" and "on-match next"']),
    ...(asn === intent.asn ? [] : [` ! CHANGE: ${address} needs policies that let VM routes pass both ways (RFC 8212), unless this router has no bgp ebgp-requires-policy`]),
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
