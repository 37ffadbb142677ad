import { prefixAddress } from '../net/ip.ts';
import { keyPrefix } from '../routes/loc-rib.ts';
import { hasGates } from './gate.ts';
import { handle } from './handovers.ts';
import { note, type World } from './world.ts';

/** A shut gate is asked again after this time, and then half as often each time down to the slowest: sooner while a claim waits for it. */
const firstPauseMs = 20;
const slowestPauseMs = 1000;
const slowestPauseHeldMs = 100;

/** A local port is there: its gate is asked at once, so that the answer is known long before the VM runs. */
export function askGate(world: World, ifindex: number): void {
  const link = world.bridges.links.get(ifindex);
  if (!hasGates(world) || link === undefined) return;
  const gate = world.gates.get(ifindex);
  if (gate === undefined) world.gates.set(ifindex, { open: false, text: 'not answered yet', pauseMs: firstPauseMs });
  else delete gate.askAtMs;
  world.outputs.push({ type: 'askGate', ifindex, port: link.name });
}

/** The port is gone, or is another's now. */
export function forgetGate(world: World, ifindex: number): void {
  world.gates.delete(ifindex);
}

/** The checks have answered. What waited for the port claims in this very pass. */
export function takeGateAnswer(world: World, answer: { readonly ifindex: number; readonly port: string; readonly open: boolean; readonly text: string }): void {
  const gate = world.gates.get(answer.ifindex);
  const link = world.bridges.links.get(answer.ifindex);
  if (gate === undefined || link === undefined || gate.open) return;
  if (link.name !== answer.port) return askGate(world, answer.ifindex); // renamed meanwhile: the answer was for the old name
  gate.text = answer.text;
  const waiting = waitingBehind(world, answer.ifindex);
  if (!answer.open) {
    gate.askAtMs = world.now.monotonicMs + Math.min(gate.pauseMs, waiting.length > 0 ? slowestPauseHeldMs : slowestPauseMs);
    gate.pauseMs = Math.min(gate.pauseMs * 2, slowestPauseMs);
    return;
  }
  gate.open = true;
  note(world, { level: 'debug', room: 'routes', event: 'gate.opened', publish: 'migration', fields: { port: link.name, text: answer.text } });
  for (const key of waiting) {
    const h = world.locRib.handovers.get(key);
    if (h !== undefined) handle(world, h.vrf, prefixAddress(keyPrefix(key)), { type: 'GateOpened' });
  }
}

function waitingBehind(world: World, ifindex: number) {
  return [...(world.locRib.byPort.get(ifindex) ?? [])].filter((key) => world.locRib.handovers.get(key)?.hold?.why === 'gate');
}

/** When a gate is to be asked again, monotonic ms. */
export function nextGateDeadline(world: World): number | undefined {
  let next: number | undefined;
  for (const { askAtMs } of world.gates.values()) if (askAtMs !== undefined && (next === undefined || askAtMs < next)) next = askAtMs;
  return next;
}

export function askDueGates(world: World): void {
  for (const [ifindex, { askAtMs }] of world.gates) if (askAtMs !== undefined && askAtMs <= world.now.monotonicMs) askGate(world, ifindex);
}
