import type { MeshReady } from '../forward/mesh.ts';
import { hostPrefix, isHostPrefix, isIpv4, parseIp, parsePrefix, prefixAddress, type IpAddress } from '../net/ip.ts';
import { parseMac } from '../net/mac.ts';
import { printable } from '../net/printable.ts';
import type { Endpoint, Handover } from '../routes/handover.ts';
import { addressKey, keyPrefix, type AddressKey } from '../routes/loc-rib.ts';
import { readyForMs } from './arrivals.ts';
import type { Hint } from './forwarding-state.ts';
import { findNode, isMeshed, prepareEnd, tellNode } from './mesh-nodes.ts';
import { sourceOf } from './next-hop.ts';
import { sendProbe } from './probing.ts';
import type { HintItem } from './views/items.ts';
import { isPortAlive, vmOf } from './watching.ts';
import { note, type World } from './world.ts';

// `landfall hint`: a libvirt hook, a QMP watcher or an operator says that a VM stands still here because it is about to run elsewhere. Its
// packets then go there before it does, and wait. A hint announces nothing and withdraws nothing.

/** A hint ends by itself after this time, in milliseconds: a VM that stands still for longer than that has lost more than packets. */
export const hintLastsMs = 30_000;
const hintsLimit = 16_384;

export interface HintRequest {
  readonly state: 'paused' | 'running';
  /** A VM's name, MAC or address. */
  readonly vm: string;
  readonly vrf?: string;
  /** `paused`: the node that it goes to. Default: the one that said it is ready. */
  readonly to?: string;
}

export type HintResult = { readonly items: HintItem[] } | { readonly code: 'notFound' | 'conflict' | 'badRequest'; readonly message: string };

/** Takes a hint. @returns what came of it address by address, or why nothing can. */
export function takeHint(world: World, request: HintRequest): HintResult {
  const name = printable(request.vm, 60);
  const found = addressesOf(world, request);
  if (found.length === 0) return { code: 'notFound', message: `no VM that is or was on this node is called ${name}, by name, MAC or address` };
  return request.state === 'running' ? { items: found.map(([key, h]) => runs(world, key, h)) } : pause(world, request, found, name);
}

/** The endpoint that was heard, also where it did not count yet. */
function placeOf(h: Handover): Endpoint | undefined {
  return h.endpoint ?? h.early?.endpoint ?? h.hold?.evidence?.endpoint;
}

function addressesOf(world: World, { vm, vrf }: HintRequest): [AddressKey, Handover][] {
  const mac = parseMac(vm);
  const prefix = parsePrefix(vm);
  const address = parseIp(vm) ?? (prefix !== undefined && isHostPrefix(prefix) ? prefixAddress(prefix) : undefined);
  // An address means its VM: all that it has moves together.
  const macs = new Set([...world.locRib.handovers.values()].filter((h) => h.address === address && (vrf === undefined || h.vrf === vrf)).map((h) => placeOf(h)?.mac));
  return [...world.locRib.handovers].filter(([, h]) => {
    const place = placeOf(h);
    if (place === undefined || (vrf !== undefined && h.vrf !== vrf)) return false;
    return place.mac === mac || (address !== undefined && macs.has(place.mac)) || vmOf(world, h.vrf, place) === vm;
  });
}

function pause(world: World, { to }: HintRequest, found: readonly [AddressKey, Handover][], name: string): HintResult {
  const { forwarding, config } = world;
  if (!config.stragglers.enabled) return { code: 'conflict', message: 'stragglers are not enabled here, so there is no mesh to send by: set stragglers' };
  if (!isMeshed(world)) return { code: 'conflict', message: 'no session has been up yet, so this node does not know its own end of the tunnel' };
  if (config.stragglers.mode === 'on-link') return { code: 'conflict', message: 'stragglers.mode is on-link: a VM that does not run yet is reached by the tunnel alone; set auto or vxlan' };
  const here = found.filter(([, h]) => (h.state === 'elevated' || h.state === 'normal') && h.endpoint !== undefined);
  if (here.length === 0) return { code: 'conflict', message: `${name} is not on this node: give the hint where it stands still` };
  const named = to === undefined ? undefined : findNode(forwarding, to);
  if (named === 'none' || named === 'several') {
    const names = [...forwarding.nodes.values()].map((node) => printable(node.name, 60)).sort().slice(0, 20);
    return { code: named === 'none' ? 'notFound' : 'conflict', message: `${named === 'none' ? 'no node' : 'more than one node'} is called ${printable(to ?? '', 60)}; heard of: ${names.length === 0 ? 'none' : names.join(', ')}` };
  }
  const items = here.map(([key, h]) => handOver(world, key, h, named?.id));
  if (items.every((item) => item === undefined)) return { code: 'conflict', message: `no node has said that it is ready for ${name}: name it with --to` };
  return { items: items.filter((item) => item !== undefined) };
}

function handOver(world: World, key: AddressKey, h: Handover, named: IpAddress | undefined): HintItem | undefined {
  const { forwarding, now, routerId, segments } = world;
  const said = forwarding.ready.get(key);
  const ready = said !== undefined && said.untilMs > now.monotonicMs && (named === undefined || said.node === named) ? said : undefined;
  const node = ready?.node ?? named;
  if (node === undefined || h.endpoint === undefined || (forwarding.hints.size >= hintsLimit && !forwarding.hints.has(key))) return undefined;
  const hint = { node, atMs: now.monotonicMs, sending: false };
  forwarding.hints.set(key, hint);
  forwarding.hintEnds.set(key, now.monotonicMs + hintLastsMs);
  const other = forwarding.nodes.get(node);
  if (ready !== undefined) send(world, key, h, hint, ready.endpoint);
  else if (other !== undefined && forwarding.endpoint !== undefined) {
    tellNode(world, { type: 'handing', segment: segments.get(h.vrf) ?? 0, node: routerId, nextHop: forwarding.endpoint, address: h.address, mac: h.endpoint.mac }, [other.endpoint]);
  }
  note(world, { level: 'info', room: 'routes', event: 'hint.taken', publish: 'migration', fields: { prefix: keyPrefix(key), state: 'paused', to: node, sending: ready !== undefined } });
  return item(world, h, ready === undefined ? 'asked' : 'sending', node);
}

function send(world: World, key: AddressKey, h: Handover, hint: Hint, endpoint: IpAddress): void {
  const { forwarding } = world;
  forwarding.hints.set(key, { ...hint, sending: true });
  const source = sourceOf(world, h.vrf, isIpv4(h.address));
  forwarding.stragglers.set(key, { endpoint, sequence: h.sequence, hinted: hint.node, tunnel: true, ...(source === undefined ? {} : { source }) });
  forwarding.dirty.add(key);
}

function item(world: World, h: Handover, state: HintItem['state'], node?: IpAddress): HintItem {
  const place = placeOf(h);
  const vm = place === undefined ? undefined : vmOf(world, h.vrf, place);
  const name = node === undefined ? undefined : world.forwarding.nodes.get(node)?.name;
  return {
    prefix: hostPrefix(h.address), vrf: h.vrf, ...(vm === undefined ? {} : { vm: printable(vm) }), ...(place === undefined ? {} : { mac: place.mac }), state,
    ...(node === undefined ? {} : { node: printable(name ?? node, 64) }),
  };
}

/** It runs here: what was sent on comes back. And where a frame came too early to count, the VM is asked; its answer counts. */
function runs(world: World, key: AddressKey, h: Handover): HintItem {
  const undone = endHint(world, key, 'running');
  const { early } = h;
  if (early === undefined || !isPortAlive(world, early.endpoint.ifindex)) return item(world, h, undone ? 'undone' : 'none');
  world.rarpHeard.add(`${early.endpoint.ifindex}|${early.endpoint.mac}`);
  sendProbe(world, key, h.address, early.endpoint);
  return item(world, h, 'probed');
}

/** @returns whether there was one. The VM's packets come here again, unless another node has claimed it meanwhile. */
export function endHint(world: World, key: AddressKey, why: 'running' | 'heard' | 'unready' | 'expired'): boolean {
  const { forwarding } = world;
  if (!forwarding.hints.delete(key)) return false;
  forwarding.hintEnds.set(key, undefined);
  if (forwarding.stragglers.get(key)?.hinted !== undefined) {
    forwarding.stragglers.delete(key);
    forwarding.dirty.add(key);
  }
  note(world, { level: why === 'running' || why === 'heard' ? 'info' : 'warn', room: 'routes', event: 'hint.ended', publish: 'migration', fields: { prefix: keyPrefix(key), cause: why } });
  return true;
}

/** A frame of the VM from its own port, later than the hint: it goes on here, whoever forgot to say so. */
export function heardAlive(world: World, vrf: string, addresses: Iterable<IpAddress>, ifindex: number, capturedAtMs: number): void {
  const { forwarding, locRib } = world;
  if (forwarding.hints.size === 0) return;
  for (const address of addresses) {
    const key = addressKey(vrf, address);
    const hint = forwarding.hints.get(key);
    if (hint !== undefined && capturedAtMs > hint.atMs && locRib.handovers.get(key)?.endpoint?.ifindex === ifindex) endHint(world, key, 'heard');
  }
}

/** Another node is ready for an address of ours, or is so no more. */
export function takeReady(world: World, vrf: string, { type, node, nextHop, address }: MeshReady): void {
  const { forwarding, now, locRib } = world;
  const key = addressKey(vrf, address);
  const h = locRib.handovers.get(key);
  const hint = forwarding.hints.get(key);
  if (type === 'unready') {
    if (forwarding.ready.get(key)?.node === node) forwarding.ready.delete(key);
    if (hint?.node === node) endHint(world, key, 'unready');
    return;
  }
  if (h === undefined || h.sequence === 0) return;
  if (!forwarding.ready.has(key)) prepareEnd(world, nextHop);
  forwarding.ready.set(key, { node, endpoint: nextHop, untilMs: now.monotonicMs + readyForMs });
  if (hint?.node === node && !hint.sending && (h.state === 'elevated' || h.state === 'normal')) send(world, key, h, hint, nextHop);
}

/** Hints that were never followed by a claim. */
export function hintsIfDue(world: World): void {
  const { forwarding, now } = world;
  for (let key = forwarding.hintEnds.takeDue(now.monotonicMs); key !== undefined; key = forwarding.hintEnds.takeDue(now.monotonicMs)) endHint(world, key, 'expired');
}
