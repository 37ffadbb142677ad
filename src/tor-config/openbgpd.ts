import { isIpv4, prefixLength, type Prefix } from '../../net/ip.ts';
import type { Mapping, Neighbor, TorIntent } from './intent.ts';

/** OpenBGPD 7. Rules are read in order and the last that matches counts. */
export function openbgpdConfig(intent: TorIntent): string {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  const prefixes = intent.families.flatMap((family) => intent.prefixes[family]);
  return [
    `AS ${intent.asn}${intent.asnUnknown ? '   # CHANGE to this router\'s' : ''}`,
    'fib-update yes',
    `prefix-set "landfall-vms" { ${prefixes.map(hostsOf).join(', ')} }`,
    ...(nodeFacing.length === 0 ? [] : ['group "landfall-nodes" {', ...nodeFacing.flatMap((neighbor) => nodeLines(intent, neighbor)), '}']),
    ...(fabricFacing.length === 0 ? [] : ['group "landfall-fabric" {', ...fabricFacing.flatMap((neighbor) => neighborLines(intent, neighbor, [])), '}']),
    ...(nodeFacing.length === 0 ? [] : [
      'deny from group "landfall-nodes"',
      `allow from group "landfall-nodes" prefix-set "landfall-vms"${intent.mappings.length === 0 ? '' : ` set localpref ${intent.unknownLocalPref}`}`,
      ...[...intent.mappings].reverse().map((mapping) => rankOf('landfall-nodes', mapping)),
      'deny to group "landfall-nodes"',
      'allow to group "landfall-nodes" prefix-set "landfall-vms"',
    ]),
    ...(fabricFacing.length === 0 ? [] : [
      'allow from group "landfall-fabric"',
      ...[...intent.mappings].reverse().map((mapping) => rankOf('landfall-fabric', mapping)),
      'allow to group "landfall-fabric"',
    ]),
    '',
  ].join('\n');
}

function hostsOf(prefix: Prefix): string {
  const bits = isIpv4(prefix) ? 32 : 128;
  return prefixLength(prefix) === bits ? prefix : `${prefix} prefixlen = ${bits}`;
}

function rankOf(group: string, { community, large, localPref }: Mapping): string {
  return `allow from group "${group}" prefix-set "landfall-vms" ${large ? 'large-community' : 'community'} ${community} set localpref ${localPref}`;
}

function nodeLines(intent: TorIntent, neighbor: Neighbor): string[] {
  return neighborLines(intent, neighbor, [
    'descr "landfall"',
    'passive',
    ...(intent.ibgp ? ['route-reflector'] : []),
    `holdtime ${intent.holdSeconds}`,
    ...(intent.ttlSecurity ? ['ttl-security yes'] : []),
    ...(intent.multihop === undefined ? [] : [`multihop ${intent.multihop}`]),
    ...(intent.password ? ['tcp md5sig password "CHANGE-ME"'] : []),
    `max-prefix ${intent.maxPrefixes['ipv4-unicast'] + intent.maxPrefixes['ipv6-unicast']} restart 1`,
  ]);
}

function neighborLines(intent: TorIntent, { address, asn }: Neighbor, more: readonly string[]): string[] {
  return [
    `\tneighbor ${address} {`,
    `\t\tremote-as ${asn}`,
    ...intent.families.map((family) => `\t\tannounce ${family === 'ipv4-unicast' ? 'IPv4' : 'IPv6'} unicast`),
    ...more.map((line) => `\t\t${line}`),
    '\t}',
  ];
}
