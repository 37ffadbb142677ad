import { meshName, meshNodesLimit, type MeshHello, type MeshText } from '../forward/mesh.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Forwarding, MeshNode } from './forwarding-state.ts';
import { ownGateways } from './gateway-macs.ts';
import type { World } from './world.ts';

// Which other speakers there are: each tells the others its name and where its end of the tunnel is, long before anything moves, so that
// the first packet that goes there waits for nothing.

const greetEveryMs = 30_000;
/** A node that was not heard for so long is none any more. */
const forgetAfterMs = 4 * greetEveryMs;

/** Speakers can be told things, and know where to answer. */
export function isMeshed({ config, forwarding }: World): boolean {
  return config.stragglers.enabled && forwarding.endpoint !== undefined;
}

/** Puts a message among the outputs. Nobody tells itself anything. */
export function tellNode(world: World, text: MeshText, members: readonly IpAddress[]): void {
  const others = members.filter((member) => member !== world.forwarding.endpoint);
  if (others.length > 0) world.outputs.push({ type: 'mesh', tellings: [{ text, members: others }] });
}

/** Has the other end of the tunnel made before it is needed. */
export function prepareEnd(world: World, endpoint: IpAddress): void {
  world.outputs.push({ type: 'mesh', ends: [endpoint], tellings: [] });
}

/** A route of another node is seen: with `members: auto` that node is greeted, the first time at once. */
export function meet(world: World, member: IpAddress): void {
  const { forwarding, config } = world;
  if (!isMeshed(world) || config.stragglers.members !== 'auto' || forwarding.members.has(member) || forwarding.members.size >= meshNodesLimit) return;
  forwarding.members.add(member);
  greet(world, [member]);
}

function greet(world: World, members: readonly IpAddress[]): void {
  const { forwarding, config, routerId } = world;
  if (forwarding.endpoint === undefined) return;
  tellGateways(world, members);
  tellNode(world, { type: 'hello', segment: 0, node: routerId, nextHop: forwarding.endpoint, name: meshName(config.node.name) }, members);
}

/** So many gateway addresses are told of at most. */
const gatewaysAtMost = 16;

/** What VMs that leave this node bring along. */
function tellGateways(world: World, members: readonly IpAddress[]): void {
  const { forwarding, routerId, segments } = world;
  if (forwarding.endpoint === undefined) return;
  for (const { watch, address, mac } of ownGateways(world).slice(0, gatewaysAtMost)) {
    tellNode(world, { type: 'gateway', segment: segments.get(watch.vrf) ?? 0, node: routerId, nextHop: forwarding.endpoint, address, mac }, members);
  }
}

/** All that are known, or named, time and again. */
export function greetIfDue(world: World): void {
  const { forwarding, config, now } = world;
  if (!isMeshed(world) || now.monotonicMs < forwarding.greetAtMs) return;
  forwarding.greetAtMs = now.monotonicMs + greetEveryMs;
  for (const [node, { heardMs }] of forwarding.nodes) if (heardMs + forgetAfterMs < now.monotonicMs) forwarding.nodes.delete(node);
  const { members } = config.stragglers;
  greet(world, [...new Set([...(members === 'auto' ? forwarding.members : members), ...[...forwarding.nodes.values()].map((node) => node.endpoint)])]);
}

/** When {@link greetIfDue} has something to do, monotonic ms. */
export function greetingDeadline(world: World): number {
  return isMeshed(world) ? world.forwarding.greetAtMs : Infinity;
}

/** A speaker that is new, or began anew, is answered, so that each knows of the other. */
export function takeHello(world: World, { node, name, nextHop, boot }: MeshHello): void {
  const { forwarding, now, routerId } = world;
  if (node === routerId || nextHop === forwarding.endpoint) return;
  const known = forwarding.nodes.get(node);
  if (known === undefined && forwarding.nodes.size >= meshNodesLimit) return;
  forwarding.nodes.set(node, { name, endpoint: nextHop, boot, heardMs: now.monotonicMs });
  if (known?.endpoint === nextHop && known.boot === boot) return;
  prepareEnd(world, nextHop);
  greet(world, [nextHop]);
}

/** Where a node is told things: as it said itself, else by the next hop of its route. */
export function whereToTell({ nodes }: Forwarding, node: IpAddress | undefined, nextHop: IpAddress): IpAddress {
  return (node === undefined ? undefined : nodes.get(node)?.endpoint) ?? nextHop;
}

/** The node that an operator means: by its name, its BGP Identifier, or its end of the tunnel. */
export function findNode({ nodes }: Forwarding, text: string): { readonly id: IpAddress; readonly node: MeshNode } | 'none' | 'several' {
  const found = [...nodes].filter(([id, node]) => node.name === meshName(text) || id === text || node.endpoint === text);
  const [first] = found;
  if (first === undefined) return 'none';
  return found.length > 1 ? 'several' : { id: first[0], node: first[1] };
}
