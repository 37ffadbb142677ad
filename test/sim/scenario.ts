import fc from 'fast-check';

/** One thing that happens, after a pause. VMs, nodes and routers are numbers, taken modulo how many there are. Times in milliseconds. */
export type Step = { readonly waitMs: number } & (
  /** A live migration: the port at the destination, the source stops, RARPs (bits of `rarps`), the VM runs, the source's port goes. */
  | { readonly do: 'move'; readonly vm: number; readonly to: number; readonly rarps: number; readonly preMs: number; readonly downMs: number; readonly lingerMs: number; readonly announces: boolean }
  /** Cancelled before the switch-over: the destination's port comes and goes. */
  | { readonly do: 'cancelEarly'; readonly vm: number; readonly to: number; readonly preMs: number }
  /** Cancelled after RARP: `cont` failed, the VM runs at the source again. */
  | { readonly do: 'cancelLate'; readonly vm: number; readonly to: number; readonly rarps: number; readonly preMs: number; readonly backMs: number }
  | { readonly do: 'pingPong'; readonly vm: number; readonly to: number; readonly times: number; readonly everyMs: number }
  | { readonly do: 'pause'; readonly vm: number; readonly forMs: number }
  /** The guest restarts behind a new port. */
  | { readonly do: 'bounce'; readonly vm: number; readonly goneMs: number; readonly announces: boolean }
  | { readonly do: 'shutdown'; readonly vm: number }
  | { readonly do: 'boot'; readonly vm: number; readonly on: number; readonly announces: boolean }
  /** kill -9 and a new start, with the state file or without. */
  | { readonly do: 'kill'; readonly node: number; readonly downMs: number; readonly keeps: boolean }
  /** The session is lost, and connecting fails for a while. */
  | { readonly do: 'cut'; readonly node: number; readonly router: number; readonly forMs: number }
  /** Nothing passes for a while, then all that was sent does, in order. */
  | { readonly do: 'stall'; readonly node: number; readonly router: number; readonly forMs: number }
  /** Another VM's port speaks for the VM: with its own MAC, or with the VM's. */
  | { readonly do: 'forge'; readonly node: number; readonly vm: number; readonly mac: 'own' | 'victim'; readonly frame: 'garp' | 'rarp' | 'na' }
  | { readonly do: 'clock'; readonly node: number; readonly offsetMs: number }
);

export interface Scenario {
  /** Of all that is random while it runs: lateness, loss, the speakers' jitter. */
  readonly seed: number;
  /** `ibgp`, `ebgp`: profile `sequence` there. `window` is iBGP, `ladder` and `prepend` are eBGP with an AS for each router. */
  readonly profile: 'ibgp' | 'ebgp' | 'window' | 'ladder' | 'prepend';
  /**
   * `two`: every node has sessions with both. `chain`: nodes are shared out, and the routers, of one AS, tell each other. `clos`: nodes are
   * shared out to two ToRs, which a spine connects.
   */
  readonly routers: 'one' | 'two' | 'chain' | 'clos';
  readonly nodes: number;
  readonly vms: number;
  /** The VLAN is stretched: what a VM broadcasts comes in through the other nodes' uplinks. */
  readonly stretched: boolean;
  /** Ports are veths, and the pod behind them speaks with the VM's MAC before the VM runs. */
  readonly pods: boolean;
  readonly mraiMs: number;
  readonly slowMs: number;
  /** The longest that a BGP message, or a frame, is under way. */
  readonly lateMs: number;
  readonly lossPercent: number;
  readonly doublePercent: number;
  /** Of the wall clock of each node. */
  readonly offsetsMs: readonly number[];
  /** Graceful Restart, with the routers as helpers. */
  readonly graceful: boolean;
  readonly holdSeconds: number;
  /** How often a VM says something ordinary; 0: never, until the end. */
  readonly lifeMs: number;
  /** Nobody has configured bindings. Default: strict. */
  readonly mode?: 'learn' | undefined;
  /** The policy gate of each port of a VM opens so long after the port came. Default: there are no gates. */
  readonly gate?: { readonly opensMs: number; readonly onTimeout: 'closed' | 'open' } | undefined;
  /** A second VRF on every node, with routers of its own: its VMs have the MACs and the addresses of those in the first. */
  readonly twoVrfs?: boolean | undefined;
  readonly steps: readonly Step[];
}

/** `clean` and `faulty` in one VRF with bindings; the same with more of the configuration; a profile each. */
export const kinds = ['faulty', 'clean', 'window', 'ladder', 'prepend', 'tenants', 'storm'] as const;
export type Kind = (typeof kinds)[number];

/** True for kinds of which more can be asked at each step: nothing is lost and nobody lies. */
export function isClean(kind: Kind): boolean {
  return kind !== 'faulty' && kind !== 'storm';
}

/** How many routers the news of a claim passes on its way to the node that hears it last. */
export function hopsOf({ routers }: Pick<Scenario, 'routers'>): number {
  return routers === 'clos' ? 3 : routers === 'chain' ? 2 : 1;
}

const index = fc.nat(3);
const short = fc.constantFrom(0, 1, 20, 120, 600, 1500);
const wait = fc.constantFrom(0, 1, 10, 60, 100, 300, 900, 2100, 6000, 20_000);
/** The first RARP is never lost: the destination claims before the source's port goes. */
const firstRarp = fc.nat(15).map((others) => 2 * others + 1);
const rarps = fc.oneof({ weight: 2, arbitrary: fc.constant(31) }, { weight: 3, arbitrary: fc.nat(31) });

/** `firstMs`: how long the destination's port is there before the switch-over. */
function move(someRarps: fc.Arbitrary<number>, waits: fc.Arbitrary<number>, firstMs: readonly number[]): fc.Arbitrary<Step> {
  return fc.record({
    waitMs: waits, do: fc.constant('move' as const), vm: index, to: index, rarps: someRarps, preMs: fc.constantFrom(...firstMs),
    downMs: fc.constantFrom(0, 5, 80, 900), lingerMs: fc.constantFrom(0, 30, 400, 3000, 40_000), announces: fc.boolean(),
  });
}

function cancelEarly(waits: fc.Arbitrary<number>): fc.Arbitrary<Step> {
  return fc.record({ waitMs: waits, do: fc.constant('cancelEarly' as const), vm: index, to: index, preMs: short });
}

const cancelLate: fc.Arbitrary<Step> = fc.record({ waitMs: wait, do: fc.constant('cancelLate' as const), vm: index, to: index, rarps, preMs: short, backMs: short });
const pause: fc.Arbitrary<Step> = fc.record({ waitMs: wait, do: fc.constant('pause' as const), vm: index, forMs: fc.constantFrom(100, 1000, 5000, 40_000) });

const faults: readonly { readonly weight: number; readonly arbitrary: fc.Arbitrary<Step> }[] = [
  { weight: 6, arbitrary: move(rarps, wait, [0, 1, 40, 500, 3000]) },
  { weight: 1, arbitrary: cancelEarly(wait) },
  { weight: 2, arbitrary: cancelLate },
  { weight: 1, arbitrary: fc.record({ waitMs: wait, do: fc.constant('pingPong' as const), vm: index, to: index, times: fc.integer({ min: 2, max: 6 }), everyMs: fc.constantFrom(50, 100, 300) }) },
  { weight: 1, arbitrary: pause },
  { weight: 1, arbitrary: fc.record({ waitMs: wait, do: fc.constant('bounce' as const), vm: index, goneMs: fc.constantFrom(0, 10, 500, 1900, 2500, 8000), announces: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ waitMs: wait, do: fc.constant('shutdown' as const), vm: index }) },
  { weight: 1, arbitrary: fc.record({ waitMs: wait, do: fc.constant('boot' as const), vm: index, on: index, announces: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ waitMs: wait, do: fc.constant('kill' as const), node: index, downMs: fc.constantFrom(1, 200, 1500, 8000, 70_000), keeps: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ waitMs: wait, do: fc.constant('cut' as const), node: index, router: index, forMs: fc.constantFrom(0, 500, 4000, 20_000) }) },
  { weight: 2, arbitrary: fc.record({ waitMs: wait, do: fc.constant('stall' as const), node: index, router: index, forMs: fc.constantFrom(5, 100, 1000, 3000, 8000, 20_000) }) },
  { weight: 1, arbitrary: fc.record({ waitMs: wait, do: fc.constant('forge' as const), node: index, vm: index, mac: fc.constantFrom('own' as const, 'victim' as const), frame: fc.constantFrom('garp' as const, 'rarp' as const, 'na' as const) }) },
  { weight: 1, arbitrary: fc.record({ waitMs: wait, do: fc.constant('clock' as const), node: index, offsetMs: fc.integer({ min: -500, max: 500 }) }) },
];

/** In `window` a second move comes after the first has settled; 40 s is more than `elevatedFor` of the simulation. */
const settled = fc.constantFrom(45_000, 60_000);

/** Two routers that each hold the news back for 5 s have told it: a pod that appears before that could be the VM's, to all its node knows. */
const told = fc.constantFrom(15_000, 20_000, 45_000);

const clean = fc.array(fc.oneof({ weight: 5, arbitrary: move(firstRarp, fc.constantFrom(1000, 2100, 6000, 20_000), [20, 500, 3000]) }, { weight: 1, arbitrary: cancelEarly(wait) }, { weight: 1, arbitrary: pause }), { maxLength: 8 });
const faulty = fc.array(fc.oneof(...faults), { maxLength: 10 });
const spaced = fc.array(fc.oneof({ weight: 4, arbitrary: move(firstRarp, settled, [20, 500, 3000]) }, { weight: 1, arbitrary: cancelEarly(told) }), { maxLength: 5 });

const steps: Readonly<Record<Kind, fc.Arbitrary<readonly Step[]>>> = { clean, faulty, window: spaced, ladder: clean, prepend: spaced, tenants: clean, storm: faulty };

/** Which profile on which routers: those that section "Which of two claims wins" of docs/handover.md calls fit. */
const fabrics: Readonly<Record<Exclude<Kind, 'faulty' | 'clean' | 'window'>, readonly (readonly [Scenario['profile'], Scenario['routers']])[]>> = {
  ladder: [['ladder', 'one'], ['ladder', 'two'], ['ladder', 'clos'], ['ladder', 'clos']],
  prepend: [['prepend', 'one'], ['prepend', 'two'], ['prepend', 'clos'], ['prepend', 'clos']],
  tenants: [['ibgp', 'one'], ['ibgp', 'two'], ['ibgp', 'chain'], ['ebgp', 'one'], ['ebgp', 'two'], ['ebgp', 'chain'], ['ladder', 'clos']],
  storm: [['ibgp', 'one'], ['ibgp', 'two'], ['ibgp', 'chain'], ['ebgp', 'one'], ['ebgp', 'two'], ['ebgp', 'chain'], ['ladder', 'one'], ['ladder', 'two'], ['ladder', 'clos'], ['window', 'one'], ['window', 'chain'], ['prepend', 'one'], ['prepend', 'two'], ['prepend', 'clos']],
};

/** `clean`: nothing is lost and nobody lies, so that more can be asked at each step. `faulty`: everything goes. The others beside them. */
export function scenarios(kind: Kind): fc.Arbitrary<Scenario> {
  if (kind === 'faulty' || kind === 'clean' || kind === 'window') return common(kind, kind);
  const base = common(kind === 'storm' ? 'faulty' : kind === 'prepend' ? 'window' : 'clean', kind);
  const rich = kind === 'tenants' || kind === 'storm';
  // Where the source waits for its grace alone, a gate that is shut for longer than that leaves nobody with a route: no clean move.
  const opensMs = kind === 'tenants' ? fc.constantFrom(0, 30, 400, 900) : fc.constantFrom(0, 30, 400, 3000);
  return fc.record({
    base,
    fabric: fc.constantFrom(...fabrics[kind]),
    mode: rich ? fc.constantFrom(undefined, 'learn' as const) : fc.constant(undefined),
    gate: rich ? fc.option(fc.record({ opensMs, onTimeout: fc.constantFrom('closed' as const, 'open' as const) }), { nil: undefined }) : fc.constant(undefined),
    twoVrfs: rich ? fc.boolean() : fc.constant(undefined),
    // A prefix of the Clos is told at three routers, one after the other; so much longer than one takes, no pod's port waits for its VM.
    mraiMs: kind === 'prepend' ? fc.constantFrom(0, 0, 500, 1500) : fc.constant(undefined),
    slowMs: kind === 'prepend' ? fc.constantFrom(0, 0, 200, 1000) : fc.constant(undefined),
  }).map(({ base: scenario, fabric: [profile, routers], mode, gate, twoVrfs, mraiMs, slowMs }) => ({
    ...scenario, profile, routers, mraiMs: mraiMs ?? scenario.mraiMs, slowMs: slowMs ?? scenario.slowMs, vms: twoVrfs === true ? Math.min(scenario.vms, 2) : scenario.vms,
    ...(mode === undefined ? {} : { mode }), ...(gate === undefined ? {} : { gate }), ...(twoVrfs === true ? { twoVrfs } : {}),
  }));
}

function common(kind: 'faulty' | 'clean' | 'window', wanted: Kind): fc.Arbitrary<Scenario> {
  const isFaulty = kind === 'faulty';
  return fc.record({
    seed: fc.nat(0x7fffffff),
    profile: kind === 'window' ? fc.constant('window' as const) : fc.constantFrom('ibgp' as const, 'ebgp' as const),
    routers: fc.constantFrom('one' as const, 'two' as const, 'chain' as const),
    nodes: fc.integer({ min: 2, max: 4 }),
    vms: fc.integer({ min: 1, max: 3 }),
    stretched: fc.boolean(),
    pods: fc.boolean(),
    // A move is clean where the fabric has told of the one before.
    mraiMs: kind === 'clean' ? fc.constantFrom(0, 0, 300) : fc.constantFrom(0, 0, 500, 5000),
    slowMs: kind === 'clean' ? fc.constantFrom(0, 0, 100) : fc.constantFrom(0, 0, 200, 2000),
    lateMs: isFaulty ? fc.constantFrom(1, 5, 50, 700) : fc.constantFrom(1, 5, 50),
    lossPercent: isFaulty ? fc.constantFrom(0, 0, 10, 50) : fc.constant(0),
    doublePercent: fc.constantFrom(0, 0, 30),
    offsetsMs: fc.array(fc.integer({ min: -500, max: 500 }), { minLength: 4, maxLength: 4 }),
    graceful: fc.boolean(),
    holdSeconds: fc.constantFrom(90, 90, 90, 90, 90, 90, 9),
    lifeMs: fc.constantFrom(0, 0, 1500, 8000),
    steps: steps[wanted],
  });
}
