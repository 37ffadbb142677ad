import { isIpv4, type Prefix } from '../../net/ip.ts';
import type { Neighbor, TorIntent } from './intent.ts';

/** GoBGP 3, TOML. GoBGP installs routes only with zebra beside it. */
export function gobgpConfig(intent: TorIntent): string {
  const fabricFacing = intent.role === 'spine' ? intent.neighbors : intent.fabric;
  const nodeFacing = intent.role === 'spine' ? [] : intent.neighbors;
  return [
    '[global.config]',
    `  as = ${intent.asn}${intent.asnUnknown ? '   # CHANGE to this router\'s' : ''}`,
    '  router-id = "192.0.2.1"   # CHANGE to this router\'s',
    '[global.apply-policy.config]',
    '  import-policy-list = ["landfall-in"]',
    '  default-import-policy = "accept-route"',
    '  export-policy-list = ["landfall-out"]',
    '  default-export-policy = "accept-route"',
    ...nodeFacing.flatMap((neighbor) => neighborBlock(intent, neighbor, true)),
    ...fabricFacing.flatMap((neighbor) => neighborBlock(intent, neighbor, false)),
    ...definedSets(intent, nodeFacing),
    ...policies(intent, nodeFacing.length > 0),
    '',
  ].join('\n');
}

function neighborBlock(intent: TorIntent, { address, asn }: Neighbor, node: boolean): string[] {
  return [
    '[[neighbors]]',
    '  [neighbors.config]',
    `    neighbor-address = "${address}"`,
    `    peer-as = ${asn}`,
    ...(node && intent.password ? ['    auth-password = "CHANGE-ME"'] : []),
    ...(node ? [
      '  [neighbors.transport.config]',
      '    passive-mode = true',
      '  [neighbors.timers.config]',
      `    hold-time = ${intent.holdSeconds}`,
      `    keepalive-interval = ${intent.keepaliveSeconds}`,
    ] : []),
    ...(node && intent.ttlSecurity ? ['  [neighbors.ttl-security.config]', '    enabled = true', '    ttl-min = 255'] : []),
    ...(node && intent.multihop !== undefined && !intent.ibgp ? ['  [neighbors.ebgp-multihop.config]', '    enabled = true', `    multihop-ttl = ${intent.multihop}`] : []),
    ...(node && intent.ibgp ? ['  [neighbors.route-reflector.config]', '    route-reflector-client = true', '    route-reflector-cluster-id = "192.0.2.1"   # CHANGE to this router\'s'] : []),
    ...intent.families.flatMap((family) => [
      '  [[neighbors.afi-safis]]',
      '    [neighbors.afi-safis.config]',
      `      afi-safi-name = "${family}"`,
      ...(node ? ['    [neighbors.afi-safis.prefix-limit.config]', `      max-prefixes = ${intent.maxPrefixes[family]}`] : []),
    ]),
  ];
}

function definedSets(intent: TorIntent, nodes: readonly Neighbor[]): string[] {
  return [
    ...intent.families.flatMap((family) => (intent.prefixes[family].length === 0 ? [] : [
      '[[defined-sets.prefix-sets]]',
      `  prefix-set-name = "landfall-vms-${family === 'ipv4-unicast' ? '4' : '6'}"`,
      ...intent.prefixes[family].flatMap((prefix) => ['  [[defined-sets.prefix-sets.prefix-list]]', `    ip-prefix = "${prefix}"`, `    masklength-range = "${hostRange(prefix)}"`]),
    ])),
    ...(nodes.length === 0 ? [] : ['[[defined-sets.neighbor-sets]]', '  neighbor-set-name = "landfall-nodes"', `  neighbor-info-list = [${nodes.map(({ address }) => `"${address}"`).join(', ')}]`]),
    ...intent.mappings.flatMap(({ name, community, large }) => [
      `[[defined-sets.bgp-defined-sets.${large ? 'large-community' : 'community'}-sets]]`,
      `  ${large ? 'large-community' : 'community'}-set-name = "landfall-${name.toLowerCase()}"`,
      `  ${large ? 'large-community' : 'community'}-list = ["${community}"]`,
    ]),
  ];
}

function hostRange(prefix: Prefix): string {
  const bits = isIpv4(prefix) ? 32 : 128;
  return `${bits}..${bits}`;
}

function policies(intent: TorIntent, nodes: boolean): string[] {
  const families = intent.families.filter((family) => intent.prefixes[family].length > 0).map((family) => (family === 'ipv4-unicast' ? '4' : '6'));
  const statement = (conditions: readonly string[], actions: readonly string[]): string[] => ['  [[policy-definitions.statements]]', ...conditions.map((line) => `    ${line}`), ...actions.map((line) => `    ${line}`)];
  const vms = (family: string): string[] => ['[policy-definitions.statements.conditions.match-prefix-set]', `  prefix-set = "landfall-vms-${family}"`];
  const accept = ['[policy-definitions.statements.actions]', '  route-disposition = "accept-route"'];
  const fromNodes = ['[policy-definitions.statements.conditions.match-neighbor-set]', '  neighbor-set = "landfall-nodes"'];
  const refuse = nodes ? statement(fromNodes, ['[policy-definitions.statements.actions]', '  route-disposition = "reject-route"']) : [];
  return [
    '[[policy-definitions]]',
    '  name = "landfall-in"',
    ...intent.mappings.flatMap(({ name, large, localPref }) => families.flatMap((family) => statement([
      ...vms(family),
      `[policy-definitions.statements.conditions.bgp-conditions.match-${large ? 'large-community' : 'community'}-set]`,
      `  ${large ? 'large-community' : 'community'}-set = "landfall-${name.toLowerCase()}"`,
    ], [...accept, '  [policy-definitions.statements.actions.bgp-actions]', `    set-local-pref = ${localPref}`]))),
    ...families.flatMap((family) => statement(vms(family), accept)),
    ...refuse,
    '[[policy-definitions]]',
    '  name = "landfall-out"',
    ...families.flatMap((family) => statement(vms(family), accept)),
    ...refuse,
  ];
}
