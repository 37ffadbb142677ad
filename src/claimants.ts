import type { IpAddress } from '../net/ip.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey } from '../routes/loc-rib.ts';
import type { World } from './world.ts';

/** Addresses with a claimant who waits; beyond that the one who was heard longest ago is forgotten. */
const limit = 1000;

/** Who was refused an address because another VM had it: a guest that is given an address says so once. */
export function rememberClaimant(world: World, vrf: string, address: IpAddress, endpoint: Endpoint): void {
  const { claimants } = world;
  const key = addressKey(vrf, address);
  claimants.delete(key);
  if (claimants.size >= limit) {
    for (const oldest of claimants.keys()) {
      claimants.delete(oldest);
      break;
    }
  }
  claimants.set(key, endpoint);
}

/** Nobody has the address any more: who was refused it is asked whether it has it still, and the answer is admitted, or not, as any is. */
export function askClaimant(world: World, vrf: string, address: IpAddress): void {
  const key = addressKey(vrf, address);
  const endpoint = world.claimants.get(key);
  if (endpoint === undefined || world.rivals.has(key)) return;
  world.claimants.delete(key);
  world.lookups.pending.set(key, { address, endpoint, sent: 0 });
  world.lookups.deadlines.set(key, world.now.monotonicMs);
}
