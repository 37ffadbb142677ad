import { Guests } from './guests.ts';
import { Invariants } from './invariants.ts';
import { hopsOf, type Scenario, type Step } from './scenario.ts';
import type { Node } from './node.ts';
import { Stage } from './stage.ts';

/** Sessions are up and the first VMs speak after this time, in milliseconds. */
const openingMs = 3000;
/** What was begun is over: the slowest steps take this long, in milliseconds. */
const curtainMs = 5000;
/** Long enough for the slowest probe, restart and retry to have had their turn, in milliseconds. */
const restMs = 100_000;
/** How often a VM says something ordinary at rest, in milliseconds. */
const restLifeMs = 15_000;

export interface PlayOptions {
  readonly clean?: boolean;
  readonly log?: (line: string) => void;
}

/** Plays one history and checks it, each step and at rest. Throws where an invariant does not hold. */
export function play(scenario: Scenario, options: PlayOptions = {}): void {
  const invariants = new Invariants({ clean: options.clean ?? false, tiedForSeconds: 41 + newsSeconds(scenario), newsMs: options.clean === true ? newsMs(scenario) : Infinity });
  const stage = new Stage(scenario, invariants);
  stage.log = options.log;
  const guests = new Guests(stage, options.clean ?? false);
  invariants.watch(stage, guests);
  for (const node of stage.nodes) stage.start(node);
  stage.run(openingMs);
  guests.all.forEach((guest, i) => guests.boot(guest, stage.nodes[i % stage.nodes.length] as Node, true));
  stage.run(openingMs + 500);
  for (const step of scenario.steps) {
    stage.run(stage.clock.nowMs + step.waitMs);
    options.log?.(`${stage.clock.nowMs.toFixed(1)} ---- ${JSON.stringify(step)}`);
    perform(step, stage, guests);
  }
  settle(stage, guests);
  options.log?.(`${stage.clock.nowMs.toFixed(1)} ---- at rest`);
  invariants.atRest();
}

/**
 * How much longer a claim looks elevated to the other routers: each on the way holds the change back as long as its MRAI says. A move in
 * that time is a second one inside the window there.
 */
function newsSeconds(scenario: Scenario): number {
  return (hopsOf(scenario) - 1) * Math.ceil((Math.max(scenario.mraiMs, scenario.slowMs) + scenario.lateMs) / 1000);
}

/** How long a claim is under way to every node, where nothing is lost. */
function newsMs(scenario: Scenario): number {
  return hopsOf(scenario) * (scenario.mraiMs + scenario.slowMs + scenario.lateMs) + 100;
}

/** Faults end, everybody is there, the VMs lead their ordinary lives, and time goes by. */
function settle(stage: Stage, guests: Guests): void {
  stage.run(stage.clock.nowMs + curtainMs);
  stage.calm = true;
  for (const node of stage.nodes) {
    for (const line of node.lines.values()) {
      line.refusedUntilMs = 0;
      line.stalledUntilMs = Math.min(line.stalledUntilMs, stage.clock.nowMs);
    }
    if (node.speaker === undefined) stage.start(node);
  }
  stage.run(stage.clock.nowMs + curtainMs);
  for (const guest of guests.all) {
    if (guest.node !== undefined && !guest.busy) guests.resume(guest);
    guests.live(guest, restLifeMs, true);
  }
  stage.run(stage.clock.nowMs + restMs);
}

function perform(step: Step, stage: Stage, guests: Guests): void {
  const pick = <T>(list: readonly T[], i: number): T => list[i % list.length] as T;
  switch (step.do) {
    case 'move': return guests.move(pick(guests.all, step.vm), pick(stage.nodes, step.to), step);
    case 'cancelEarly': return guests.cancelEarly(pick(guests.all, step.vm), pick(stage.nodes, step.to), step.preMs);
    case 'cancelLate': return guests.cancelLate(pick(guests.all, step.vm), pick(stage.nodes, step.to), step.rarps, step.preMs, step.backMs);
    case 'pingPong': return guests.pingPong(pick(guests.all, step.vm), pick(stage.nodes, step.to), step.times, step.everyMs);
    case 'pause': return guests.pause(pick(guests.all, step.vm), step.forMs);
    case 'bounce': return guests.bounce(pick(guests.all, step.vm), step.goneMs, step.announces);
    case 'shutdown': return guests.shutdown(pick(guests.all, step.vm));
    case 'boot': return guests.boot(pick(guests.all, step.vm), pick(stage.nodes, step.on), step.announces);
    case 'kill': return kill(stage, pick(stage.nodes, step.node), step);
    case 'cut': return stage.cut(pick(stage.nodes, step.node), pick(stage.routers, step.router).name, step.forMs);
    case 'stall': {
      const line = pick(stage.nodes, step.node).lines.get(pick(stage.routers, step.router).name);
      if (line !== undefined) line.stalledUntilMs = Math.max(line.stalledUntilMs, stage.clock.nowMs + step.forMs);
      return;
    }
    case 'forge': return guests.forge(pick(stage.nodes, step.node), pick(guests.all, step.vm).vm, step.mac, step.frame);
    case 'clock': pick(stage.nodes, step.node).offsetMs = step.offsetMs; return;
  }
}

function kill(stage: Stage, node: Node, { downMs, keeps }: { readonly downMs: number; readonly keeps: boolean }): void {
  if (node.speaker === undefined) return;
  stage.kill(node, keeps);
  stage.clock.later(downMs, () => { if (node.speaker === undefined) stage.start(node); });
}
