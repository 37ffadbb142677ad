import { portFor } from '../bridge/locate.ts';
import { identify } from '../identity/bindings.ts';
import { forgetPair, idlePairs, type LearnedPair } from '../identity/learned.ts';
import type { Mac } from '../net/mac.ts';
import type { Endpoint } from '../routes/handover.ts';
import { addressKey, type AddressKey } from '../routes/loc-rib.ts';
import { askClaimant } from './claimants.ts';
import { handle } from './handovers.ts';
import { sendProbe } from './probing.ts';
import { isPortAlive } from './watching.ts';
import { note, type World } from './world.ts';

/** So many questions that a VM which was heard meanwhile did not answer, one at each look, and it has the address no more. */
const questions = 3;

/**
 * One look, once a minute, at learned addresses that are announced here and were not heard for `identity.learnedIdleFor`: each is asked for
 * behind its port, and an answer is a hearing. Silence counts only while the VM is active: the bridge knows its MAC behind that port, and
 * it said something after the question, for the bridge remembers a paused VM for minutes. A paused VM keeps everything. An address of an
 * active VM that stays silent has been given up: the pair is forgotten and the route leaves as from a port that is gone.
 */
export function lookAtIdle(world: World): void {
  const { now: { monotonicMs }, idle, voices } = world;
  const pairs = idlePairs(world.bindings.learned, monotonicMs, world.config.identity.learnedIdleForMs);
  const asked: World['idle'] = new Map();
  const listened = new Set<string>();
  const silent = new Set(pairs.map(({ vrf, address }) => addressKey(vrf, address)));
  for (const pair of pairs) {
    const key = addressKey(pair.vrf, pair.address);
    const endpoint = announcedBehind(world, key);
    if (endpoint === undefined || endpoint.mac !== pair.mac || !isActive(world, pair, endpoint.ifindex)) continue;
    const before = idle.get(key);
    const voice = voiceOf(endpoint);
    const spoke = before !== undefined && (voices.get(voice) ?? -Infinity) > before.askedAtMs;
    const unanswered = (before?.unanswered ?? 0) + (spoke ? 1 : 0);
    if (unanswered >= questions) {
      drop(world, pair);
      continue;
    }
    asked.set(key, { unanswered, askedAtMs: monotonicMs });
    listened.add(voice);
    if (!voices.has(voice)) voices.set(voice, -Infinity);
    sendProbe(world, key, pair.address, endpoint);
    askAnother(world, pair, endpoint, silent);
  }
  // Who was heard meanwhile, or is forgotten by the bridge, starts anew.
  idle.clear();
  for (const [key, address] of asked) idle.set(key, address);
  for (const voice of voices.keys()) if (!listened.has(voice)) voices.delete(voice);
}

/** A frame of whatever kind: the VM runs. Kept of those alone that were asked. */
export function hearVoice(world: World, endpoint: Pick<Endpoint, 'ifindex' | 'vlan' | 'mac'>, capturedAtMs: number): void {
  const voice = voiceOf(endpoint);
  if (world.voices.has(voice)) world.voices.set(voice, capturedAtMs);
}

function voiceOf({ ifindex, vlan, mac }: { readonly ifindex: number; readonly vlan: number; readonly mac: Mac }): string {
  return `${ifindex}|${vlan}|${mac}`;
}

/** A VM that says little by itself is asked for an address that it had lately, too: the answer tells that it runs. */
function askAnother(world: World, { vrf, mac, vlan }: LearnedPair, endpoint: Endpoint, silent: ReadonlySet<AddressKey>): void {
  for (const address of [...identify(world.bindings, { mac, vlan, vrf }).addresses].reverse()) {
    const key = addressKey(vrf, address);
    if (silent.has(key) || announcedBehind(world, key)?.ifindex !== endpoint.ifindex) continue;
    sendProbe(world, key, address, endpoint);
    return;
  }
}

/** Where the VM is whose address is announced here. */
function announcedBehind(world: World, key: AddressKey): Endpoint | undefined {
  const h = world.locRib.handovers.get(key);
  return h?.state === 'elevated' || h?.state === 'normal' ? h.endpoint : undefined;
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
