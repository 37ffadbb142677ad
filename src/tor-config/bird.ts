import { isIpv4, prefixLength, type Family, type Prefix } from '../../net/ip.ts';
import type { Mapping, Neighbor, TorIntent } from './intent.ts';

/** BIRD 2. The `protocol device` and `protocol kernel` of the router stay as they are. */
export function birdConfig(intent: TorIntent): string {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  return [
    ...intent.families.map((family) => `define ${setOf(family)} = [ ${intent.prefixes[family].map(hostsOf).join(', ')} ];`).filter((line) => !line.includes('[  ]')),
    'function landfall_is_vm() {',
    ...intent.families.filter((family) => intent.prefixes[family].length > 0).map((family) => `  if net.type = ${family === 'ipv4-unicast' ? 'NET_IP4' : 'NET_IP6'} then return net ~ ${setOf(family)};`),
    '  return false;',
    '}',
    ...(intent.mappings.length === 0 ? [] : [
      'function landfall_rank() {',
      ...intent.mappings.map((mapping, i) => `  ${i === 0 ? '' : 'else '}${rankOf(mapping)}`),
      `  else bgp_local_pref = ${intent.unknownLocalPref};`,
      '}',
    ]),
    'filter landfall_in {',
    '  if !landfall_is_vm() then reject;',
    ...(intent.mappings.length === 0 ? [] : ['  landfall_rank();']),
    '  accept;',
    '}',
    'filter landfall_out { if source = RTS_BGP && landfall_is_vm() then accept; reject; }',
    ...(fabricFacing.length === 0 ? [] : [
      'filter landfall_fabric_in {',
      ...(intent.mappings.length === 0 ? [] : ['  if landfall_is_vm() then landfall_rank();']),
      '  accept;',
      '}',
    ]),
    ...nodeFacing.flatMap((neighbor, i) => nodeProtocol(intent, neighbor, i + 1)),
    ...fabricFacing.flatMap((neighbor, i) => fabricProtocol(intent, neighbor, i + 1)),
    '',
  ].join('\n');
}

function setOf(family: Family): string {
  return family === 'ipv4-unicast' ? 'LANDFALL_VMS' : 'LANDFALL_VMS6';
}

function hostsOf(prefix: Prefix): string {
  const bits = isIpv4(prefix) ? 32 : 128;
  return prefixLength(prefix) === bits ? prefix : `${prefix}{${bits},${bits}}`;
}

function rankOf({ community, large, localPref }: Mapping): string {
  return `if (${community.split(':').join(', ')}) ~ ${large ? 'bgp_large_community' : 'bgp_community'} then bgp_local_pref = ${localPref};`;
}

function nodeProtocol(intent: TorIntent, { address, asn }: Neighbor, number: number): string[] {
  return [
    `protocol bgp landfall_${number} {`,
    `  local as ${intent.asn};`,
    `  neighbor ${address} as ${asn};`,
    ...(intent.multihop === undefined ? ['  direct;'] : [`  multihop ${intent.multihop};`]),
    '  passive on;',
    `  hold time ${intent.holdSeconds};`,
    `  keepalive time ${intent.keepaliveSeconds};`,
    // Left to itself BIRD refuses a neighbour for a minute after an error.
    '  error wait time 1, 2;',
    ...(intent.ibgp ? ['  rr client;'] : []),
    ...(intent.ttlSecurity ? ['  ttl security on;'] : []),
    ...(intent.password ? ['  password "CHANGE-ME";'] : []),
    ...intent.families.flatMap((family) => [
      `  ${family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'} {`,
      '    import filter landfall_in;',
      ...(intent.multihop === undefined ? ['    gateway direct;'] : []),
      '    export filter landfall_out;',
      `    import limit ${intent.maxPrefixes[family]} action restart;`,
      '  };',
    ]),
    '}',
  ];
}

function fabricProtocol(intent: TorIntent, { address, asn }: Neighbor, number: number): string[] {
  return [
    `protocol bgp landfall_fabric_${number} {`,
    `  local as ${intent.asn};${intent.asnUnknown ? '   # CHANGE to this router\'s' : ''}`,
    `  neighbor ${address} as ${asn};`,
    '  direct;',
    ...intent.families.flatMap((family) => [
      `  ${family === 'ipv4-unicast' ? 'ipv4' : 'ipv6'} {`,
      '    import filter landfall_fabric_in;   # yours may call landfall_rank() for VM routes instead',
      '    export where source = RTS_BGP;',
      '  };',
    ]),
    '}',
  ];
}
