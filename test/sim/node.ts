import type { FdbEntry, Link } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import { ip, type IpAddress } from '../../net/ip.ts';
import { macFromBytes, parseMac, type Mac } from '../../net/mac.ts';
import type { Speaker } from '../../src/speaker.ts';
import { baseConfig } from './fabric.ts';
import type { Scenario } from './scenario.ts';
import type { ToyRouter } from './toy-router.ts';

export interface Vm {
  readonly index: number;
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
  readonly fdb: Map<Mac, FdbEntry>;
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

export const bridgeIfindex = 2;
export const uplinkIfindex = 3;
/** A local port of a VM that is nobody's. */
export const strangerIfindex = 4;
export const strangerMac = parseMac('52:54:00:ee:00:01') as Mac;

export function vmOf(index: number): Vm {
  return { index, mac: macFromBytes(Uint8Array.of(0x52, 0x54, 0, 0xaa, 0, index + 1)), addresses: [ip(`203.0.113.${11 + index}`), ip(`2001:db8:100::${11 + index}`)] };
}

/** A node as it is before anything has started: its configuration, its bridge, its lines to the routers. */
export function newNode(scenario: Scenario, i: number, all: readonly ToyRouter[], vms: readonly Vm[]): Node {
  const routers = scenario.routers === 'chain' ? [all[i % 2] as ToyRouter] : all;
  // The source waits longer than the fabric needs to tell the news: what its administrator has to see to.
  const graceMs = 2000 + (scenario.routers === 'chain' ? 2 * (scenario.mraiMs + scenario.slowMs) : 0);
  const config: Config = baseConfig(i + 1, (c) => ({
    ...c,
    bgp: {
      ...c.bgp, gracefulRestart: { ...c.bgp.gracefulRestart, enabled: scenario.graceful, restartTimeSeconds: 60 },
      peers: routers.map((router) => ({
        ...(c.bgp.peers[0] as Config['bgp']['peers'][number]), name: router.name, address: router.identifier, asn: router.asn,
        profile: scenario.profile === 'window' ? 'window' as const : 'sequence' as const,
        timers: { holdSeconds: scenario.holdSeconds, keepaliveSeconds: scenario.holdSeconds / 3, connectRetrySeconds: 2 },
      })),
    },
    migration: { ...c.migration, elevatedForMs: 40_000, portGoneGraceMs: graceMs, withdrawAfterMs: graceMs },
    identity: { ...c.identity, bindings: vms.map(({ index, mac, addresses }) => ({ vm: `vm${index}`, mac, vrf: 'default', ips: addresses })) },
  }));
  const mac = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, i + 1));
  const links: Link[] = [
    { ifindex: bridgeIfindex, name: 'br-vlan', mac, kind: 'bridge', up: true, carrier: true },
    { ifindex: uplinkIfindex, name: 'bond0', master: bridgeIfindex, up: true, carrier: true },
    { ifindex: strangerIfindex, name: 'tap9', master: bridgeIfindex, kind: 'tun', up: true, carrier: true },
  ];
  return {
    id: i, name: config.node.name, config, links: new Map(links.map((link) => [link.ifindex, link])), fdb: new Map(), life: 0, deadlineMs: Infinity,
    offsetMs: scenario.offsetsMs[i] ?? 0, nextIfindex: 10, savePlanned: false, onProbe: () => undefined,
    lines: new Map(routers.map((router): [string, Line] => [router.name, { router, heardAtMs: 0, up: { lastMs: 0 }, down: { lastMs: 0 }, stalledUntilMs: 0, refusedUntilMs: 0 }])),
  };
}
