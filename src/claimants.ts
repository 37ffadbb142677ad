import type { IpAddress } from '../net/ip.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { putShare, takeShares } from './port-shares.ts';
import type { World } from './world.ts';

/** Addresses for which somebody behind one port waits; beyond that the one that was claimed there longest ago is forgotten. */
const mostPerPort = 128;

/** Who was refused an address because another VM had it: a guest that is given an address says so once. */
export function rememberClaimant(world: World, vrf: string, address: IpAddress, endpoint: Endpoint): void {
  putShare(world.claimants, addressKey(vrf, address), endpoint.ifindex, endpoint, mostPerPort);
}

/**
 * Nobody has the address any more: those that were refused it are asked whether they have it still, all at once, so that none keeps another
 * waiting; an answer is admitted, or not, as any is.
 */
export function askClaimant(world: World, vrf: string, address: IpAddress): void {
  const key = addressKey(vrf, address);
  if (!world.claimants.byKey.has(key) || world.rivals.has(key)) return;
  const waiting = takeShares(world.claimants, key);
  const { pending, deadlines } = world.lookups;
  // Where the bridge has just seen its MAC is asked, too.
  const known = pending.get(key);
  if (known !== undefined) waiting.push(known.endpoint);
  const endpoint = waiting.pop() as Endpoint;
  const also = waiting.filter(({ ifindex }) => ifindex !== endpoint.ifindex);
  pending.set(key, { address, endpoint, sent: 0, ...(also.length === 0 ? {} : { also }), ...(known?.startedBy === undefined ? {} : { startedBy: known.startedBy }) });
  deadlines.set(key, world.now.monotonicMs);
}
