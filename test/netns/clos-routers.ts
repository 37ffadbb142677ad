import { nodeNamespace } from '../../src/demo/topology.ts';

/*
 * A Clos fabric of eBGP, an AS for each router:
 *
 *     node a ─n0 tor1 s0── t1 spine t2 ──s0 tor2 n0─ node b
 *      65010      65001       65100       65002      65010
 */
export const routerNames = ['tor1', 'spine', 'tor2'] as const;
export type RouterName = (typeof routerNames)[number];
export const asns: Readonly<Record<RouterName, number>> = { tor1: 65001, spine: 65100, tor2: 65002 };
export const nodeAsn = 65010;

/** A cable between two namespaces: which device of which, and the number that its addresses are made of. */
export interface Cable {
  readonly number: number;
  readonly ends: readonly [End, End];
}
interface End {
  readonly place: string;
  readonly device: string;
}

export const cables: readonly Cable[] = [
  { number: 1, ends: [{ place: 'tor1', device: 'n0' }, { place: nodeNamespace('a'), device: 'rt0' }] },
  { number: 2, ends: [{ place: 'spine', device: 't1' }, { place: 'tor1', device: 's0' }] },
  { number: 3, ends: [{ place: 'spine', device: 't2' }, { place: 'tor2', device: 's0' }] },
  { number: 4, ends: [{ place: 'tor2', device: 'n0' }, { place: nodeNamespace('b'), device: 'rt0' }] },
];

/** The sessions of a router: with whom, and from which addresses of its own. */
export function neighborsOf(router: RouterName): { readonly address: string; readonly asn: number; readonly node: boolean; readonly own: string; readonly own6: string }[] {
  return cables.flatMap((cable) => cable.ends.flatMap(({ place }, i) => {
    if (place !== router) return [];
    const far = (1 - i) as 0 | 1;
    const peer = cable.ends[far].place;
    return [{ address: ipv4Of(cable, far), asn: peer in asns ? asns[peer as RouterName] : nodeAsn, node: !(peer in asns), own: ipv4Of(cable, i as 0 | 1), own6: ipv6Of(cable, i as 0 | 1) }];
  }));
}

export const ipv4Of = (cable: Cable, end: 0 | 1): string => `192.0.2.${cable.number * 4 + 1 + end}`;
export const ipv6Of = (cable: Cable, end: 0 | 1): string => `2001:db8:0:${cable.number}::${1 + end}`;

export const routerIds: Readonly<Record<RouterName, string>> = { spine: '192.0.2.201', tor1: '192.0.2.202', tor2: '192.0.2.203' };

/** Where routers map the steps of the ladder. */
export type Mapping = 'everywhere' | 'towards nodes' | undefined;

/** The steps of the ladder, and leaving: communities and the LOCAL_PREF that they are mapped to. */
const levels = [...Array.from({ length: 8 }, (_, step) => 200 + step), 50];

/** bgpd of one router. With `ladder`, the steps mean LOCAL_PREF 200…207 and leaving 50, on every session. */
export function frrConfig(router: RouterName, ladder: boolean, mapping: Mapping): string {
  const neighbors = neighborsOf(router).map(({ node, address, asn }) => ({ address, asn, passive: node }));
  const family = (name: string): string => `
 address-family ${name} unicast${neighbors.map(({ address, passive }) => `
  neighbor ${address} activate
  neighbor ${address} send-community both${ladder && (passive || mapping !== 'towards nodes') ? `
  neighbor ${address} route-map ladder-in in` : ''}`).join('')}
 exit-address-family`;
  return `frr version 8.4
frr defaults traditional
hostname ${router}
!
${ladder ? `${levels.map((n) => `bgp community-list standard level-${n} seq 5 permit ${nodeAsn}:${n}\n`).join('')}!
${levels.map((n, i) => `route-map ladder-in permit ${(i + 1) * 10}
 match community level-${n}
 set local-preference ${n}
`).join('')}route-map ladder-in permit 1000
!
` : ''}router bgp ${asns[router]}
 bgp router-id ${routerIds[router]}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 bgp bestpath as-path multipath-relax
 timers bgp 3 9${neighbors.map(({ address, asn, passive }) => `
 neighbor ${address} remote-as ${asn}
 neighbor ${address} advertisement-interval 0
 neighbor ${address} timers connect 1${passive ? `
 neighbor ${address} passive` : ''}`).join('')}${family('ipv4')}${family('ipv6')}
!
`;
}

/** BIRD of one router, with the same meaning. `merge paths` is on, so that two equal routes would be a multipath route of the kernel. */
export function birdConfig(router: RouterName, ladder: boolean, mapping: Mapping): string {
  return `router id ${routerIds[router]};
log stderr all;
protocol device { scan time 5; }
protocol kernel kernel4 { merge paths on; scan time 20; ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel kernel6 { merge paths on; scan time 20; ipv6 { import none; export where source = RTS_BGP; }; }
filter ladder_in {
${levels.map((n) => `  if (${nodeAsn}, ${n}) ~ bgp_community then bgp_local_pref = ${n};`).join('\n')}
  accept;
}
${neighborsOf(router).map(({ address, asn, node, own, own6 }, i) => `
protocol bgp neighbor${i} {
  local ${own} as ${asns[router]};
  neighbor ${address} as ${asn};
  direct;${node ? `
  passive on;` : ''}
  hold time 9;
  keepalive time 3;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
${[['ipv4', own], ['ipv6', own6]].map(([family, from]) => `  ${family} {
    import ${ladder && (node || mapping !== 'towards nodes') ? 'filter ladder_in' : 'all'};
    export where source = RTS_BGP;
    gateway direct;
    next hop address ${from};
  };`).join('\n')}
}
`).join('')}`;
}
