import type { Family } from '../../net/ip.ts';

// What is to be shown of each router: every kind of session, and on each what can be had.

export const routerKinds = ['frr', 'bird', 'gobgp', 'exabgp', 'openbgpd'] as const;
export type RouterKind = (typeof routerKinds)[number];
export const routerNames: Readonly<Record<RouterKind, string>> = {
  frr: 'FRR 8.4', bird: 'BIRD 2.0', gobgp: 'GoBGP 3.10', exabgp: 'ExaBGP 4.2', openbgpd: 'OpenBGPD 7.7',
};

export const modes = ['ibgp', 'ebgp'] as const;
export type Mode = (typeof modes)[number];
/** The session's addresses, and what it carries over them. */
export const transports = ['v4', 'v6', 'v4-over-v6'] as const;
export type Transport = (typeof transports)[number];
export type Feature = 'plain' | 'md5' | 'bfd' | 'wrong-key';

export const columns = ['routes', 'md5', 'gr', 'bfd'] as const;
export type Column = (typeof columns)[number];

/** One session. */
export interface Cell {
  readonly name: string;
  readonly mode: Mode;
  readonly transport: Transport;
  readonly feature: Feature;
  readonly router: string;
  readonly node: string;
  readonly family: Family;
  /** What the router is given. */
  readonly key?: string;
  /** What landfall is given, where that is another one. */
  readonly ourKey?: string;
}

export const routerAsn = 65001;
export const nodeAsns: Readonly<Record<Mode, number>> = { ibgp: routerAsn, ebgp: 65010 };
export const routerId = '192.0.2.1';
/** Routes of the node, and routes of the router, by family. */
export const ours: Readonly<Record<Family, string>> = { 'ipv4-unicast': '203.0.113.11', 'ipv6-unicast': '2001:db8:f::11' };
export const theirs: Readonly<Record<Family, string>> = { 'ipv4-unicast': '203.0.113.99', 'ipv6-unicast': '2001:db8:f::99' };
export const hostPrefix = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;

export const cells: readonly Cell[] = modes.flatMap((mode, m) => {
  const kinds: (readonly [Transport, Feature])[] = transports.flatMap((transport) => (['plain', 'md5', 'bfd'] as const).map((feature) => [transport, feature] as const));
  return [...kinds, ['v4', 'wrong-key'] as const, ['v6', 'wrong-key'] as const].map(([transport, feature], i): Cell => {
    const end = (host: number): string => (transport === 'v4' ? `10.${m + 1}.${i + 1}.${host}` : `2001:db8:${m + 1}:${i + 1}::${host}`);
    return {
      name: `${mode}-${transport}-${feature}`, mode, transport, feature, router: end(1), node: end(2), family: transport === 'v6' ? 'ipv6-unicast' : 'ipv4-unicast',
      ...(feature === 'md5' ? { key: 'the-key-of-both' } : feature === 'wrong-key' ? { key: 'the-key-of-the-router', ourKey: 'another' } : {}),
    };
  });
});

/** Why a router cannot have it. */
const cannot: Readonly<Record<RouterKind, Partial<Record<Column | 'v4-over-v6', string>>>> = {
  frr: {},
  bird: {},
  gobgp: { bfd: 'no BFD' },
  exabgp: { gr: 'says the capability, but keeps no routes', bfd: 'no BFD' },
  openbgpd: { 'v4-over-v6': 'no extended next hop', bfd: 'no BFD' },
};

/** Why a router cannot have a column on a kind of session; `undefined`: it can. */
export function reasonAgainst(kind: RouterKind, transport: Transport, column: Column): string | undefined {
  return (transport === 'v4-over-v6' ? cannot[kind]['v4-over-v6'] : undefined) ?? cannot[kind][column];
}

/** The measured table: `ok` for what was seen to work, else the reason why it cannot. */
export function tableOf(found: ReadonlyMap<string, string>): string {
  const lines = routerKinds.flatMap((kind) => modes.flatMap((mode) => transports.map((transport) => {
    const values = columns.map((column) => found.get(`${kind} ${mode} ${transport} ${column}`) ?? '-');
    return `| ${routerNames[kind]} | ${mode} | ${transport} | ${values.join(' | ')} |`;
  })));
  return ['| router | session | carries | routes both ways | MD5 | graceful restart | BFD |', '| --- | --- | --- | --- | --- | --- | --- |', ...lines].join('\n');
}
