import { speaksBeforeVm } from '../bridge/ports.ts';
import { identify, isShared } from '../identity/bindings.ts';
import type { AnnouncementKind } from '../garp/announcement.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { handle } from './handovers.ts';
import type { World } from './world.ts';

// A KubeVirt pod's kernel speaks with the VM's MAC, and address, from its creation on; QEMU sends its RARP when the VM is about to run.

/** Of what was heard: what the question whether it came too early depends on. */
interface Spoken {
  readonly said: { readonly kind: AnnouncementKind };
  readonly watch: { readonly vrf: string };
  readonly endpoint: Endpoint;
}

/**
 * A port that can speak before its VM, and that appeared while a rival's claim for any of the VM's addresses stood: a RARP alone counts
 * there, until one was heard. Routers tell of the addresses one after the other (MRAI), and the VM runs at the rival's with all of them.
 */
export function isEarly(world: World, { said, watch, endpoint }: Spoken, address: IpAddress): boolean {
  const { firstEvidence } = world.config.migration;
  // A shared address is claimed by a VM that has been running for long, on a port that may be younger than the other's claim.
  if (isShared(world.bindings, watch.vrf, address)) return false;
  if (firstEvidence === 'any' || said.kind === 'rarp') return false;
  const link = world.bridges.links.get(endpoint.ifindex);
  if (link === undefined || (firstEvidence === 'auto' && !speaksBeforeVm(link))) return false;
  if (world.rarpHeard.has(`${endpoint.ifindex}|${endpoint.mac}`)) return false;
  const appearedAtMs = world.portSince.get(endpoint.ifindex) ?? -Infinity;
  const { addresses } = identify(world.bindings, { mac: endpoint.mac, vlan: endpoint.vlan, vrf: watch.vrf, address });
  return addresses.some((meant) => {
    const rivalSince = world.rivals.get(addressKey(watch.vrf, meant));
    return rivalSince !== undefined && appearedAtMs > rivalSince.monotonicMs;
  });
}

/** A pause of this length between two inputs, with frames that waited in it, is a standstill: the process was stopped, or had no processor. */
const standstillMs = 500;

/** Notes a standstill; to be called with the time of each input, before it is looked at. */
export function noteStandstill(world: World, nowMs: number): void {
  if (nowMs - world.lastInputMs > standstillMs) world.stoodStillUntilMs = nowMs;
  world.lastInputMs = nowMs;
}

/**
 * While another claim stands, a frame from a standstill is no evidence of where the VM is *now*: it may have gone back meanwhile, and the
 * news of that waits in a socket. The VM is asked, and its answer claims. (A frame that waits behind a thousand others is no such case:
 * the sockets are read in between.)
 */
export function isLate(world: World, { watch, capturedAtMs }: Pick<Spoken, 'watch'> & { readonly capturedAtMs: number }, address: IpAddress): boolean {
  if (capturedAtMs + standstillMs >= world.stoodStillUntilMs || isShared(world.bindings, watch.vrf, address)) return false;
  const key = addressKey(watch.vrf, address);
  const state = world.locRib.handovers.get(key)?.state ?? 'withdrawn';
  return (state === 'withdrawn' || state === 'leaving') && world.rivals.has(key);
}

/**
 * What a pod's kernel says before its VM runs comes in through the uplinks of the other nodes, too, and is as little evidence there: as
 * long as the VM's port here lives, and is one of those that can speak so, a RARP alone says that the VM runs elsewhere.
 */
export function isEarlyElsewhere(world: World, { said, watch }: Omit<Spoken, 'endpoint'>, address: IpAddress): boolean {
  const { firstEvidence } = world.config.migration;
  if (firstEvidence === 'any' || said.kind === 'rarp' || isShared(world.bindings, watch.vrf, address)) return false;
  const ifindex = world.locRib.handovers.get(addressKey(watch.vrf, address))?.endpoint?.ifindex;
  const link = ifindex === undefined ? undefined : world.bridges.links.get(ifindex);
  return link !== undefined && (firstEvidence === 'rarp' || speaksBeforeVm(link));
}

/**
 * No peer shows a rival's standing claim for the address any more: what spoke too early counts now, for the VM's other addresses too,
 * where no rival was ever in sight.
 */
export function takeRivalGone(world: World, vrf: string, address: IpAddress): void {
  const early = world.locRib.handovers.get(addressKey(vrf, address))?.early;
  handle(world, vrf, address, { type: 'RivalGone' });
  if (early === undefined) return;
  for (const other of identify(world.bindings, { mac: early.endpoint.mac, vlan: early.endpoint.vlan, vrf }).addresses) {
    const key = addressKey(vrf, other);
    if (other === address || world.rivals.has(key) || world.locRib.handovers.get(key)?.early === undefined) continue;
    handle(world, vrf, other, { type: 'RivalGone' });
  }
}
