import type { FdbEntry, Link } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { macFromBytes, parseMac, type Mac } from '../../net/mac.ts';
import type { Speaker } from '../../src/speaker.ts';
import { baseConfig } from './fabric.ts';
import { hopsOf, type Scenario } from './scenario.ts';
import type { ToyRouter } from './toy-router.ts';

export interface Vm {
  readonly index: number;
  readonly vrf: Vrf;
  readonly mac: Mac;
  readonly addresses: readonly [v4: IpAddress, v6: IpAddress];
}

/** One direction of a TCP connection: nothing overtakes. */
export interface Pipe { lastMs: number }

export interface Line {
  readonly router: ToyRouter;
  /** As the speaker sees it, and as the router does: what was written on an earlier one reaches nobody. */
  connection?: number;
  routerConnection?: number;
  heardAtMs: number;
  up: Pipe;
  down: Pipe;
  stalledUntilMs: number;
  refusedUntilMs: number;
}

/** A node: a bridge with ports, and a speaker while its process lives. */
export interface Node {
  readonly id: number;
  readonly name: string;
  readonly config: Config;
  readonly lines: Map<string, Line>;
  readonly links: Map<number, Link>;
  /** By bridge and MAC. */
  readonly fdb: Map<string, FdbEntry>;
  /** When each port came. */
  readonly portSinceMs: Map<number, number>;
  speaker?: Speaker;
  /** How often the process was started: what was under way to an earlier one is lost. */
  life: number;
  deadlineMs: number;
  offsetMs: number;
  nextIfindex: number;
  /** The state file, as it was written last. */
  file?: string;
  savePlanned: boolean;
  onProbe: (ifindex: number, bytes: Uint8Array) => void;
}

/** The VRFs of every node; most histories have the first alone. */
export const vrfs = ['default', 'blue'] as const;
export type Vrf = (typeof vrfs)[number];

/** What each VRF has on every node: its bridge, the bridge's uplink, and a local port of a VM that is nobody's. */
export const placesOf = {
  default: { bridge: 'br-vlan', bridgeIfindex: 2, uplinkIfindex: 3, strangerIfindex: 4 },
  blue: { bridge: 'br-blue', bridgeIfindex: 5, uplinkIfindex: 6, strangerIfindex: 7 },
} as const;
export const strangerMac = parseMac('52:54:00:ee:00:01') as Mac;

/** The `nth` VM of a VRF: those of the other VRF have the same MACs and addresses. */
export function vmOf(nth: number, vrf: Vrf = 'default', index = nth): Vm {
  return { index, vrf, mac: macFromBytes(Uint8Array.of(0x52, 0x54, 0, 0xaa, 0, nth + 1)), addresses: [ip(`203.0.113.${11 + nth}`), ip(`2001:db8:100::${11 + nth}`)] };
}

/** A node as it is before anything has started: its configuration, its bridge, its lines to the routers. */
export function newNode(scenario: Scenario, i: number, all: ReadonlyMap<Vrf, readonly ToyRouter[]>, vms: readonly Vm[]): Node {
  const mine = [...all].flatMap(([vrf, list]) => (hopsOf(scenario) === 1 ? list : [list[i % 2] as ToyRouter]).map((router) => ({ vrf, router })));
  const routers = mine.map(({ router }) => router);
  // The source waits longer than the fabric needs to tell the news: what its administrator has to see to.
  const graceMs = 2000 + 2 * (hopsOf(scenario) - 1) * (scenario.mraiMs + scenario.slowMs);
  const config: Config = baseConfig(i + 1, (c) => ({
    ...c,
    bgp: {
      ...c.bgp, gracefulRestart: { ...c.bgp.gracefulRestart, enabled: scenario.graceful, restartTimeSeconds: 60 },
      peers: mine.map(({ vrf, router }) => ({
        ...(c.bgp.peers[0] as Config['bgp']['peers'][number]), name: router.name, address: router.identifier, asn: router.asn,
        profile: scenario.profile === 'ibgp' || scenario.profile === 'ebgp' ? 'sequence' as const : scenario.profile, vrf,
        timers: { holdSeconds: scenario.holdSeconds, keepaliveSeconds: scenario.holdSeconds / 3, connectRetrySeconds: 2 },
      })),
    },
    migration: { ...c.migration, elevatedForMs: 40_000, portGoneGraceMs: graceMs, withdrawAfterMs: graceMs },
    watch: [...all.keys()].map((vrf) => ({ ...(c.watch[0] as Config['watch'][number]), bridge: placesOf[vrf].bridge, vrf })),
    identity: scenario.mode === 'learn' ? { ...c.identity, mode: 'learn', bindings: [] }
      : { ...c.identity, bindings: vms.map(({ index, mac, vrf, addresses }) => ({ vm: `vm${index}`, mac, vrf, ips: addresses })) },
    ...(scenario.gate === undefined ? {} : { gate: { checks: [{ file: '/run/policy/{port}' }], timeoutMs: 500, onTimeout: scenario.gate.onTimeout } }),
  }));
  const links = [...all.keys()].flatMap((vrf): Link[] => {
    const { bridge, bridgeIfindex, uplinkIfindex, strangerIfindex } = placesOf[vrf];
    const at = vrfs.indexOf(vrf);
    return [
      { ifindex: bridgeIfindex, name: bridge, mac: macFromBytes(Uint8Array.of(2, 0, 0, 0, at, i + 1)), kind: 'bridge', up: true, carrier: true },
      { ifindex: uplinkIfindex, name: `bond${at}`, master: bridgeIfindex, up: true, carrier: true },
      { ifindex: strangerIfindex, name: `tap${9 - at}`, master: bridgeIfindex, kind: 'tun', up: true, carrier: true },
    ];
  });
  return {
    id: i, name: config.node.name, config, links: new Map(links.map((link) => [link.ifindex, link])), fdb: new Map(), portSinceMs: new Map(), life: 0, deadlineMs: Infinity,
    offsetMs: scenario.offsetsMs[i] ?? 0, nextIfindex: 10, savePlanned: false, onProbe: () => undefined,
    lines: new Map(routers.map((router): [string, Line] => [router.name, { router, heardAtMs: 0, up: { lastMs: 0 }, down: { lastMs: 0 }, stalledUntilMs: 0, refusedUntilMs: 0 }])),
  };
}
