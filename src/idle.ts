import { portFor } from '../bridge/locate.ts';
import { forgetPair, idlePairs, type LearnedPair } from '../identity/learned.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { askClaimant } from './claimants.ts';
import { handle } from './handovers.ts';
import { sendProbe } from './probing.ts';
import { isPortAlive } from './watching.ts';
import { note, type World } from './world.ts';

/** So many questions in a row without an answer, one at each look, and the VM has the address no more. */
const questions = 3;

/**
 * One look, once a minute, at learned addresses that are announced here and were not heard for `identity.learnedIdleFor`: each is asked for
 * behind its port, and an answer is a hearing. Silence counts only while the VM is active, that is while the bridge knows its MAC behind
 * that port: a paused VM keeps everything. An address of an active VM that stays silent has been given up: the pair is forgotten and the
 * route leaves as from a port that is gone.
 */
export function lookAtIdle(world: World): void {
  const { monotonicMs } = world.now;
  const still = new Set<string>();
  for (const pair of idlePairs(world.bindings.learned, monotonicMs, world.config.identity.learnedIdleForMs)) {
    const key = addressKey(pair.vrf, pair.address);
    const h = world.locRib.handovers.get(key);
    if (h?.endpoint === undefined || h.endpoint.mac !== pair.mac || (h.state !== 'elevated' && h.state !== 'normal') || !isActive(world, pair, h.endpoint.ifindex)) continue;
    const asked = world.idle.get(key) ?? 0;
    if (asked >= questions) {
      drop(world, pair);
      continue;
    }
    still.add(key);
    world.idle.set(key, asked + 1);
    sendProbe(world, key, pair.address, h.endpoint);
  }
  // Who was heard meanwhile, or is silent altogether, starts anew.
  for (const key of world.idle.keys()) if (!still.has(key)) world.idle.delete(key);
}

function isActive(world: World, pair: LearnedPair, ifindex: number): boolean {
  return isPortAlive(world, ifindex) && portFor(world.bridges, world.watches, pair.mac, pair.vlan)?.port.ifindex === ifindex;
}

function drop(world: World, pair: LearnedPair): void {
  forgetPair(world.bindings.learned, pair.vrf, pair.address);
  note(world, {
    level: 'info', room: 'identity', event: 'identity.refused',
    fields: { address: pair.address, mac: pair.mac, text: 'the VM is active and does not answer for this learned address: dropped' },
  });
  handle(world, pair.vrf, pair.address, { type: 'PortGone' });
  askClaimant(world, pair.vrf, pair.address);
}
