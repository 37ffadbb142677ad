import type { World } from './world.ts';

/** Without checks every gate is open. */
export function hasGates(world: World): boolean {
  return world.config.gate.checks.length > 0;
}

export function isGateOpen(world: World, ifindex: number | undefined): boolean {
  return !hasGates(world) || (ifindex !== undefined && world.gates.get(ifindex)?.open === true);
}
