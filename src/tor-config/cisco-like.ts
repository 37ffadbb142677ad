import { isIpv4, prefixLength, type Family, type Prefix } from '../../net/ip.ts';
import type { Neighbor, TorIntent } from './intent.ts';

/**
 * Arista EOS and Cisco NX-OS, whose languages share a grandmother. Statement names are those of the vendors' configuration guides (EOS 4.3x:
 * Border Gateway Protocol; NX-OS 10: Configuring Advanced BGP). Not tried on a device.
 */
export function eosConfig(intent: TorIntent): string {
  return [...policy(intent, 'eos'), ...router(intent, 'eos'), '!', ''].join('\n');
}

export function nxosConfig(intent: TorIntent): string {
  return ['feature bgp', ...policy(intent, 'nxos'), ...router(intent, 'nxos'), ''].join('\n');
}

type Dialect = 'eos' | 'nxos';

function policy(intent: TorIntent, dialect: Dialect): string[] {
  const fabric = intent.role === 'spine' || intent.fabric.length > 0;
  return [
    ...intent.families.flatMap((family) => prefixList(intent, family, dialect)),
    ...intent.mappings.map(({ name, community, large }) =>
      large ? `ip large-community-list ${dialect === 'eos' ? '' : 'standard '}LANDFALL-${name} permit ${community}` : `ip community-list ${dialect === 'eos' ? '' : 'standard '}LANDFALL-${name} permit ${community}`),
    ...routeMaps(intent, fabric),
    'route-map LANDFALL-OUT permit 10',
    ...(intent.families.includes('ipv4-unicast') ? ['   match ip address prefix-list LANDFALL-VMS'] : ['   match ipv6 address prefix-list LANDFALL-VMS6']),
    ...(intent.families.length === 2 ? ['route-map LANDFALL-OUT permit 20', '   match ipv6 address prefix-list LANDFALL-VMS6'] : []),
  ];
}

function prefixList({ prefixes }: TorIntent, family: Family, dialect: Dialect): string[] {
  const ipv4 = family === 'ipv4-unicast';
  const name = ipv4 ? 'LANDFALL-VMS' : 'LANDFALL-VMS6';
  const host = (prefix: Prefix): string => (prefixLength(prefix) === (ipv4 ? 32 : 128) ? prefix : `${prefix} ge ${ipv4 ? 32 : 128}`);
  if (dialect === 'nxos' || ipv4) return prefixes[family].map((prefix, i) => `${isIpv4(prefix) ? 'ip' : 'ipv6'} prefix-list ${name} seq ${10 * (i + 1)} permit ${host(prefix)}`);
  // EOS opens a block for an IPv6 list.
  return [`ipv6 prefix-list ${name}`, ...prefixes[family].map((prefix, i) => `   seq ${10 * (i + 1)} permit ${host(prefix)}`)];
}

function routeMaps(intent: TorIntent, fabric: boolean): string[] {
  const lines: string[] = [];
  const families = intent.families.map((family) => (family === 'ipv4-unicast' ? 'match ip address prefix-list LANDFALL-VMS' : 'match ipv6 address prefix-list LANDFALL-VMS6'));
  for (const name of ['LANDFALL-IN', ...(fabric ? ['LANDFALL-FABRIC-IN'] : [])]) {
    let sequence = 0;
    const term = (...inner: string[]): void => {
      sequence += 10;
      lines.push(`route-map ${name} permit ${sequence}`, ...inner.map((line) => `   ${line}`));
    };
    for (const { name: level, large, localPref } of intent.mappings) {
      for (const family of families) term(family, `match ${large ? 'large-community' : 'community'} LANDFALL-${level}`, `set local-preference ${localPref}`);
    }
    if (name === 'LANDFALL-FABRIC-IN') term();
    else for (const family of families) term(family, ...(intent.mappings.length === 0 ? [] : [`set local-preference ${intent.unknownLocalPref}`]));
  }
  return lines;
}

function router(intent: TorIntent, dialect: Dialect): string[] {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  const change = intent.asnUnknown ? ['   ! CHANGE the AS number above to this router\'s'] : [];
  return dialect === 'eos'
    ? [`router bgp ${intent.asn}`, ...change, ...nodeFacing.flatMap((n) => eosNeighbor(intent, n, true)), ...fabricFacing.flatMap((n) => eosNeighbor(intent, n, false)), ...eosFamilies(intent, [...nodeFacing, ...fabricFacing])]
    : [`router bgp ${intent.asn}`, ...change, ...nodeFacing.flatMap((n) => nxosNeighbor(intent, n, true)), ...fabricFacing.flatMap((n) => nxosNeighbor(intent, n, false))];
}

function eosNeighbor(intent: TorIntent, { address, asn }: Neighbor, node: boolean): string[] {
  const limit = intent.families.reduce((sum, family) => sum + intent.maxPrefixes[family], 0);
  return [
    `neighbor ${address} remote-as ${asn}`,
    `neighbor ${address} send-community standard large`,
    `neighbor ${address} out-delay 0`,
    ...(intent.mappings.length > 0 || node ? [`neighbor ${address} route-map ${node ? 'LANDFALL-IN' : 'LANDFALL-FABRIC-IN'} in`] : []),
    ...(!node ? [] : [
      `neighbor ${address} route-map LANDFALL-OUT out`,
      `neighbor ${address} passive`,
      `neighbor ${address} timers ${intent.keepaliveSeconds} ${intent.holdSeconds}`,
      ...(intent.ibgp ? [`neighbor ${address} route-reflector-client`] : []),
      ...(intent.ttlSecurity ? [`neighbor ${address} ttl maximum-hops 1`] : []),
      ...(intent.multihop !== undefined && !intent.ibgp ? [`neighbor ${address} ebgp-multihop ${intent.multihop}`] : []),
      ...(intent.password ? [`neighbor ${address} password CHANGE-ME`] : []),
      `neighbor ${address} maximum-routes ${limit} warning-limit 80 percent`,
    ]),
  ].map((line) => `   ${line}`);
}

function eosFamilies(intent: TorIntent, neighbors: readonly Neighbor[]): string[] {
  return intent.families.flatMap((family) => [`   address-family ${family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'}`, ...neighbors.map(({ address }) => `      neighbor ${address} activate`)]);
}

function nxosNeighbor(intent: TorIntent, { address, asn }: Neighbor, node: boolean): string[] {
  return [
    `  neighbor ${address}`,
    `    remote-as ${asn}`,
    ...(!node ? [] : [
      '    description landfall',
      '    transport connection-mode passive',
      `    timers ${intent.keepaliveSeconds} ${intent.holdSeconds}`,
      ...(intent.ttlSecurity ? ['    ttl-security hops 1'] : []),
      ...(intent.multihop !== undefined && !intent.ibgp ? [`    ebgp-multihop ${intent.multihop}`] : []),
      ...(intent.password ? ['    password CHANGE-ME'] : []),
    ]),
    ...intent.families.flatMap((family) => [
      `    address-family ${family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'} unicast`,
      '      send-community',
      '      send-community extended',
      '      send-large-community',
      '      advertisement-interval 0',
      ...(intent.mappings.length > 0 || node ? [`      route-map ${node ? 'LANDFALL-IN' : 'LANDFALL-FABRIC-IN'} in`] : []),
      ...(!node ? [] : [
        '      route-map LANDFALL-OUT out',
        ...(intent.ibgp ? ['      route-reflector-client'] : []),
        // Nodes that share an AS hear of each other's claims only without this check.
        ...(intent.nodesShareAs ? ['      disable-peer-as-check'] : []),
        `      maximum-prefix ${intent.maxPrefixes[family]} restart 1`,
      ]),
    ]),
  ];
}
