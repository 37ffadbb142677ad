import { play } from './play.ts';
import type { Scenario } from './scenario.ts';

const plain: Scenario = {
  seed: 0, profile: 'ibgp', routers: 'one', nodes: 2, vms: 1, stretched: false, pods: false, mraiMs: 0, slowMs: 0, lateMs: 1, lossPercent: 0, doublePercent: 0,
  offsetsMs: [0, 0, 0, 0], graceful: false, holdSeconds: 90, lifeMs: 0, steps: [],
};

/** Two moves so close that each ToR of a Clos stays with its own node, and back to the first node, behind a second port. */
const hidden = (lateMs: number, announces: boolean): Partial<Scenario> => ({
  profile: 'ladder', routers: 'clos', nodes: 4, slowMs: 100, lateMs,
  steps: [
    { waitMs: 1000, do: 'move', vm: 0, to: 3, rarps: 1, preMs: 20, downMs: 900, lingerMs: 0, announces: false },
    { waitMs: 1000, do: 'move', vm: 0, to: 2, rarps: 1, preMs: 20, downMs: 0, lingerMs: 40_000, announces },
    { waitMs: 1000, do: 'move', vm: 0, to: 3, rarps: 1, preMs: 20, downMs: 0, lingerMs: 40_000, announces: false },
  ],
});

/** Histories that broke an invariant once, each with what it taught. */
const cases: readonly { readonly name: string; readonly clean?: true; readonly scenario: Partial<Scenario> }[] = [
  {
    name: 'a guest that says nothing but ordinary ARP is found again with its IPv6 address',
    scenario: { steps: [{ waitMs: 0, do: 'bounce', vm: 0, goneMs: 2500, announces: false }] },
  },
  {
    name: 'two nodes that both leave are never equal to a router',
    scenario: {
      nodes: 3, stretched: true, pods: true, slowMs: 2000, offsetsMs: [-4, 0, 0, 0],
      steps: [
        { waitMs: 0, do: 'move', vm: 0, to: 2, rarps: 31, preMs: 0, downMs: 0, lingerMs: 0, announces: false },
        { waitMs: 100, do: 'move', vm: 0, to: 0, rarps: 1, preMs: 40, downMs: 80, lingerMs: 400, announces: false },
        { waitMs: 300, do: 'move', vm: 0, to: 0, rarps: 0, preMs: 0, downMs: 0, lingerMs: 0, announces: false },
        { waitMs: 0, do: 'pingPong', vm: 0, to: 2, times: 2, everyMs: 300 },
      ],
    },
  },
  {
    name: 'a pod that speaks before its VM, and goes, never claims after that',
    scenario: {
      vms: 2, pods: true, lateMs: 700,
      steps: [
        { waitMs: 0, do: 'cancelLate', vm: 1, to: 0, rarps: 31, preMs: 1500, backMs: 0 },
        { waitMs: 2100, do: 'shutdown', vm: 0 },
        { waitMs: 0, do: 'shutdown', vm: 3 },
      ],
    },
  },
  {
    name: 'a paused VM keeps its route while a pod elsewhere speaks before it, through a stretched VLAN',
    clean: true,
    scenario: {
      stretched: true, pods: true,
      steps: [{ waitMs: 0, do: 'pause', vm: 0, forMs: 40_000 }, { waitMs: 6000, do: 'cancelEarly', vm: 0, to: 1, preMs: 600 }],
    },
  },
  {
    name: 'a pod that speaks before its VM takes no route, through a stretched VLAN',
    clean: true,
    scenario: { stretched: true, pods: true, steps: [{ waitMs: 20_000, do: 'move', vm: 0, to: 3, rarps: 1, preMs: 20, downMs: 80, lingerMs: 0, announces: false }] },
  },
  {
    name: 'a VM that answers outbids who claims it at the same moment, where each router prefers its own node among equals',
    scenario: {
      seed: 12, profile: 'ebgp', routers: 'chain', vms: 2, stretched: true,
      steps: [{ waitMs: 0, do: 'kill', node: 0, downMs: 1500, keeps: false }, { waitMs: 2100, do: 'forge', node: 0, vm: 1, mac: 'victim', frame: 'rarp' }],
    },
  },
  {
    name: 'two claims of one step that crossed are told apart when a port goes, and the VM behind another port of its node takes the address back',
    clean: true,
    scenario: hidden(1, false),
  },
  {
    name: 'an answer behind another port claims before the claim that was hidden comes to light, and steps above it then',
    clean: true,
    scenario: hidden(50, true),
  },
  {
    name: 'a pod that speaks before its VM claims no address while its router has told of the other only (MRAI)',
    clean: true,
    scenario: { profile: 'window', pods: true, mraiMs: 500, steps: [{ waitMs: 1, do: 'cancelEarly', vm: 0, to: 1, preMs: 20 }] },
  },
  {
    name: 'a node that holds an address and announces nothing asks where the VM was heard last, not behind a port that lingers',
    clean: true,
    scenario: {
      steps: [
        { waitMs: 1000, do: 'move', vm: 0, to: 1, rarps: 1, preMs: 20, downMs: 0, lingerMs: 0, announces: false },
        { waitMs: 1000, do: 'move', vm: 0, to: 0, rarps: 13, preMs: 3000, downMs: 0, lingerMs: 0, announces: false },
        { waitMs: 2100, do: 'cancelEarly', vm: 0, to: 0, preMs: 0 },
        { waitMs: 1000, do: 'move', vm: 0, to: 1, rarps: 1, preMs: 20, downMs: 0, lingerMs: 40_000, announces: false },
        { waitMs: 1000, do: 'move', vm: 0, to: 0, rarps: 1, preMs: 20, downMs: 0, lingerMs: 0, announces: false },
      ],
    },
  },
  {
    name: 'profile window: a claim looks elevated to the other router of a chain until its MRAI is over, and ties until then',
    clean: true,
    scenario: {
      profile: 'window', routers: 'chain', mraiMs: 5000,
      steps: [1, 0, 1].map((to) => ({ waitMs: 45_000, do: 'move', vm: 0, to, rarps: 1, preMs: 20, downMs: 0, lingerMs: 0, announces: false })),
    },
  },
  {
    name: 'a VM that comes back by a new port in the moment in which the other claim is read, and is silent then, is asked there',
    clean: true,
    scenario: {
      lateMs: 50,
      steps: [
        { waitMs: 1000, do: 'move', vm: 0, to: 1, rarps: 1, preMs: 3000, downMs: 80, lingerMs: 0, announces: false },
        { waitMs: 1000, do: 'move', vm: 0, to: 0, rarps: 1, preMs: 20, downMs: 0, lingerMs: 0, announces: false },
        { waitMs: 2100, do: 'move', vm: 0, to: 0, rarps: 1, preMs: 20, downMs: 0, lingerMs: 0, announces: false },
      ],
    },
  },
  {
    name: 'a VM that comes back by a new port while its old one is kept, before the other claim is read, and is silent then, is asked behind both',
    clean: true,
    scenario: {
      profile: 'ladder', lateMs: 50,
      steps: [
        { waitMs: 1000, do: 'move', vm: 0, to: 1, rarps: 1, preMs: 3000, downMs: 80, lingerMs: 40_000, announces: false },
        { waitMs: 2100, do: 'pause', vm: 0, forMs: 100 },
        { waitMs: 1000, do: 'move', vm: 0, to: 0, rarps: 1, preMs: 20, downMs: 0, lingerMs: 0, announces: false },
      ],
    },
  },
  {
    name: 'a VM that comes back by a new port while the gate at the other node is still shut, and is silent then, is asked behind both',
    clean: true,
    scenario: {
      profile: 'ibgp', lateMs: 1, gate: { opensMs: 1000, onTimeout: 'closed' },
      steps: [
        { waitMs: 1000, do: 'move', vm: 0, to: 1, rarps: 1, preMs: 20, downMs: 900, lingerMs: 40_000, announces: false },
        { waitMs: 1000, do: 'move', vm: 0, to: 0, rarps: 1, preMs: 20, downMs: 0, lingerMs: 3000, announces: false },
      ],
    },
  },
  {
    name: 'a claim that waits for the gate of its port is moved by no other port of its node, and goes out when that gate opens',
    scenario: {
      gate: { opensMs: 3000, onTimeout: 'closed' },
      steps: [{ waitMs: 0, do: 'forge', node: 0, vm: 0, mac: 'victim', frame: 'garp' }],
    },
  },
];

describe('histories that once failed', () => {
  for (const { name, clean, scenario } of cases) {
    it(name, () => play({ ...plain, ...scenario }, { clean: clean ?? false }));
  }
});
