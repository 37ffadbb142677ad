import { decide } from '../../bgp/decision.ts';
import type { Route } from '../../bgp/route.ts';
import { hostPrefix, prefixAddress, type IpAddress, type Prefix } from '../../net/ip.ts';
import { decodeClaimMarks } from '../../routes/claim-communities.ts';
import type { Handover } from '../../routes/handover.ts';
import type { AddressKey } from '../../routes/loc-rib.ts';
import { isLeaving } from '../../routes/preference.ts';
import type { Output } from '../../src/world.ts';
import type { Guest, Guests } from './guests.ts';
import type { Node, Vm, Vrf } from './node.ts';
import type { Stage } from './stage.ts';
import type { RouterCandidate, RouterObserver, ToyRouter } from './toy-router.ts';

/** An invariant that did not hold, by its number in docs/handover.md. */
export class Broken extends Error {}

/** What a history promises beside what always holds. */
export interface Promises {
  /** No frame, session, process or node is lost, and nobody lies. */
  readonly clean: boolean;
  /** Profiles `window` and `prepend`: two claims whose sequences differ by no more may tie. */
  readonly tiedForSeconds: number;
  /** Profile `ladder`: who claims sooner after another could not see it yet, and may tie. `Infinity`: nobody need have seen. */
  readonly newsMs: number;
}

/** How long a VM has run in one place before its route may not be taken away without a newer claim, in milliseconds. */
const settledMs = 8000;

/** Looks at every step of the routers. Throws {@link Broken} where something that must always hold does not. */
export class Invariants implements RouterObserver {
  private readonly promises: Promises;
  private readonly routed = new Set<string>();
  /** `router's VRF|prefix|sequence`: when a router first read that claim. */
  private readonly readAtMs = new Map<string, number>();
  /** `router's VRF|prefix`: a claim was made, or given up, before the fabric had told of the one before; the two cross. */
  private readonly crossed = new Set<string>();
  /** `router's VRF|prefix`: whose claim was read last, and when. */
  private readonly newest = new Map<string, { readonly name: string; readonly atMs: number }>();
  private calmSinceMs: number | undefined;
  private stage!: Stage;
  private guests!: Guests;

  constructor(promises: Promises) {
    this.promises = promises;
  }

  watch(stage: Stage, guests: Guests): void {
    this.stage = stage;
    this.guests = guests;
    stage.after = (node, outputs) => this.took(node, outputs);
  }

  /** 3: only what a binding allows, from a node that heard the VM itself. */
  announced(router: ToyRouter, name: string, route: Route): void {
    this.stage.log?.(`${this.stage.clock.nowMs.toFixed(1)} ${router.name} reads ${name} ${describe(route)}`);
    const vrf = this.stage.vrfOf(router);
    const guest = this.guestOf(route.prefix, vrf);
    if (guest === undefined) throw new Broken(`3: ${name} announces ${route.prefix}, which is no VM's`);
    const { node, mac, sequence } = decodeClaimMarks(65010, route.attributes.largeCommunities);
    const claim = `${vrf}|${route.prefix}|${sequence}`;
    const { nowMs } = this.stage.clock;
    const place = `${vrf}|${route.prefix}`;
    const last = this.newest.get(place);
    if (!isLeaving(route.attributes.communities)) {
      if (last !== undefined && last.name !== name && nowMs - last.atMs < this.promises.newsMs) this.crossed.add(place);
      if (last?.name !== name) this.newest.set(place, { name, atMs: nowMs });
    }
    if (!this.readAtMs.has(claim)) this.readAtMs.set(claim, nowMs);
    if (isLeaving(route.attributes.communities) && nowMs - (this.readAtMs.get(claim) as number) < this.promises.newsMs) this.crossed.add(place);
    const speaker = this.stage.nodes.find((one) => one.name === name);
    if (mac !== guest.vm.mac || node !== speaker?.config.bgp.routerId || sequence === undefined) throw new Broken(`3: ${name} announces ${describe(route)} with the marks of another`);
    if (guest.node?.name !== name && !this.guests.heardAt.has(`${name}|${guest.vm.index}`)) throw new Broken(`3: ${name} announces ${route.prefix}, whose VM it never heard`);
  }

  withdrawn(router: ToyRouter, name: string, prefix: Prefix): void {
    this.stage.log?.(`${this.stage.clock.nowMs.toFixed(1)} ${router.name} reads ${name} withdraw ${prefix}`);
  }

  /** 7: a VM that has run here for a while, and answers, loses its route to nothing but a newer claim. */
  took(node: Node, outputs: readonly Output[]): void {
    const { nowMs } = this.stage.clock;
    if (this.stage.calm) this.calmSinceMs ??= nowMs;
    if (this.stage.scenario.gate !== undefined) this.passed(node, outputs);
    // Answers to probes may have been lost as long as it was not calm, and a withdrawal is up to `withdrawAfter` younger than they.
    if (!this.promises.clean && (this.calmSinceMs === undefined || nowMs - this.calmSinceMs < node.config.migration.withdrawAfterMs)) return;
    for (const output of outputs) {
      if (output.type === 'note' && output.note.event === 'handover.transition' && output.note.fields['cause'] === 'RivalGone') this.leftTo(node, output.note.fields['prefix'] as Prefix, output.note.fields['vrf'] as Vrf);
      if (output.type !== 'note' || output.note.event !== 'route.withdrawn') continue;
      const prefix = output.note.fields['prefix'] as Prefix;
      const vrf = node.config.bgp.peers.find(({ name }) => name === output.note.peer)?.vrf as Vrf;
      const guest = this.guestOf(prefix, vrf);
      if (guest?.node !== node || !guest.running || guest.busy || nowMs - guest.sinceMs < settledMs) continue;
      const h = this.handover(node.name, prefix, vrf);
      // Behind a port that the node does not know of it could not be asked; and news of a newer claim may be old news by now.
      if (h?.endpoint?.ifindex !== guest.ifindex || h?.source === 'remote-claim') continue;
      // The other claim, hidden until now, looks newer: the VM is asked.
      if (this.mayHide(vrf, prefix)) continue;
      throw new Broken(`7: ${node.name} withdraws ${prefix} from ${output.note.peer}, where its VM runs and no claim is newer`);
    }
  }

  /** 3: who claims does so behind a port whose gate has opened, or is not waited for. */
  private passed(node: Node, outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output.type !== 'note' || output.note.event !== 'handover.transition') continue;
      const { prefix, vrf, to, from, cause } = output.note.fields as { readonly prefix: Prefix; readonly vrf: Vrf; readonly to: string; readonly from: string; readonly cause: string };
      if (to !== 'elevated' || from === 'elevated' || cause === 'GateTimer_Expires') continue;
      const ifindex = this.handover(node.name, prefix, vrf)?.endpoint?.ifindex;
      if (!this.stage.gatesOpen.has(`${node.name}|${node.life}|${ifindex}`)) throw new Broken(`3: ${node.name} claims ${prefix} behind a port whose gate is shut`);
    }
  }

  /** The other claim left: what was heard too early counts from now on. */
  private leftTo(node: Node, prefix: Prefix, vrf: Vrf): void {
    const place = `${node.name}|${this.guestOf(prefix, vrf)?.vm.index}`;
    if (this.guests.heardEarlyAt.has(place)) this.guests.heardAt.add(place);
  }

  decided(router: ToyRouter, prefix: Prefix, candidates: readonly RouterCandidate[], best: RouterCandidate | undefined): void {
    const { profile } = this.stage.scenario;
    const windowed = profile === 'window' || profile === 'prepend';
    if (windowed && !this.promises.clean) return;
    const standing = candidates.filter(({ route }) => !isLeaving(route.attributes.communities));
    for (const one of standing) {
      if (best === undefined || one === best) continue;
      const [theirs, bests] = [sequenceOf(one), sequenceOf(best)];
      if (windowed && Math.abs(theirs - bests) <= this.promises.tiedForSeconds) continue;
      if (profile === 'ladder' && !isLeaving(best.route.attributes.communities) && (this.isUnordered(router, best, one) || this.mayHide(this.stage.vrfOf(router), prefix))) continue;
      if (theirs > bests || isLeaving(best.route.attributes.communities)) {
        throw new Broken(`2: ${router.name} prefers ${best.client} (${describe(best.route)}) to the newer claim of ${one.client} (${describe(one.route)})`);
      }
    }
    for (const one of candidates) {
      if (best === undefined || one === best || sequenceOf(one) === sequenceOf(best) || windowed) continue;
      if (profile === 'ladder' && (isLeaving(one.route.attributes.communities) || this.isUnordered(router, one, best) || this.isUnordered(router, best, one))) continue;
      const step = decide(one, best)?.step;
      if (step === undefined || step === 'BGP Identifier' || step === 'CLUSTER_LIST' || step === 'peer address') {
        throw new Broken(`2: ${router.name} could call ${one.client} (${describe(one.route)}) and ${best.client} (${describe(best.route)}) equal`);
      }
    }
    if (!this.promises.clean) return;
    const place = `${router.name}|${prefix}`;
    // Hop by hop each router may take the other's word for the newer one while that is on its way back: for the time that news take.
    const { routers } = this.stage.scenario;
    if (best === undefined && (routers === 'clos' || routers === 'chain') && this.crossed.has(`${this.stage.vrfOf(router)}|${prefix}`)) return;
    if (best !== undefined) this.routed.add(place);
    else if (this.routed.has(place)) throw new Broken(`2: ${router.name} is without a route for ${prefix} during a clean move`);
  }

  /** Profile `ladder` in a Clos: two claims that crossed stand on one step, each ToR with its own, hidden from each other until a port goes. What holds at rest holds. */
  private mayHide(vrf: Vrf, prefix: Prefix): boolean {
    const { routers, profile } = this.stage.scenario;
    return routers === 'clos' && profile === 'ladder' && this.crossed.has(`${vrf}|${prefix}`);
  }

  /** Profile `ladder`: the newer claim was made before its node could see the older one, or that stands on the top. */
  private isUnordered(router: ToyRouter, older: RouterCandidate, newer: RouterCandidate): boolean {
    const read = (one: RouterCandidate): number => this.readAtMs.get(`${this.stage.vrfOf(router)}|${one.route.prefix}|${sequenceOf(one)}`) ?? 0;
    return (older.localPref ?? 0) >= 207 || read(newer) - read(older) < this.promises.newsMs;
  }

  /** 1, 4, 5: at rest each router holds the route of the node that hosts the VM, for each of its addresses, and nobody else's. */
  atRest(): void {
    const { stage, guests } = this;
    // Who forges the MAC of a VM that runs nowhere looks like the VM, and one that runs behind a port younger than the forger's claim, which
    // could be a pod's, looks too early. Marks on ports are against that.
    const known = guests.all.filter(({ node, vm }) => !guests.forged.has(vm.index) || (node !== undefined && !stage.scenario.pods && !this.isTied(vm)));
    for (const guest of known) for (const address of guest.vm.addresses) {
      const prefix = hostPrefix(address);
      for (const router of stage.routersOf.get(guest.vm.vrf) ?? []) {
        const host = guest.node?.name;
        const expected = host !== undefined && router.clients.has(host) ? [host] : [];
        const held = [...router.routesFor(prefix)];
        const said = held.map(([name, route]) => `${name}${isLeaving(route.attributes.communities) ? ' (leaving)' : ''}`).sort();
        if (said.join() !== expected.join()) throw new Broken(`1: at rest ${router.name} holds ${address} of ${said.join(' and ') || 'nobody'}, and its VM runs at ${host ?? 'no node'}`);
        if (host === undefined) continue;
        const best = router.best.get(prefix);
        if (best === undefined) throw new Broken(`1: at rest ${router.name} has no route for ${address}`);
        const { node } = decodeClaimMarks(65010, best.route.attributes.largeCommunities);
        if (node !== guest.node?.config.bgp.routerId) throw new Broken(`1: at rest ${router.name} sends ${address} to ${node}, and its VM runs at ${host}`);
      }
      for (const node of stage.nodes) {
        const state = this.handover(node.name, prefix, guest.vm.vrf)?.state ?? 'withdrawn';
        const announces = state === 'elevated' || state === 'normal';
        if (announces !== (guest.node === node)) throw new Broken(`1: at rest ${address} is ${state} at ${node.name}, and its VM runs at ${guest.node?.name ?? 'no node'}`);
      }
    }
  }

  /**
   * Who forges in the very moment in which the VM speaks elsewhere gets the same sequence; eBGP has no room for a second order. A VM that
   * answers takes two more, and so do two who forge one after the other.
   */
  private isTied(vm: Vm): boolean {
    if (this.stage.scenario.profile === 'ladder') return vm.addresses.some((address) => this.isTiedOnLadder(vm, hostPrefix(address)));
    return vm.addresses.some((address) => {
      const standing = this.stage.nodes.map(({ name }) => this.handover(name, hostPrefix(address), vm.vrf)).filter((h) => (h?.state === 'elevated' || h?.state === 'normal') && (h.source !== 'probe' || (this.guests.forged.get(vm.index) ?? 0) > 1));
      return new Set(standing.map((h) => h?.sequence)).size < standing.length;
    });
  }

  /** Two claims that were made before either was told of the other stand on one step, and each ToR of a Clos stays with its own node. */
  private isTiedOnLadder(vm: Vm, prefix: Prefix): boolean {
    const standing = this.stage.nodes.flatMap(({ name, speaker }) => {
      const h = this.handover(name, prefix, vm.vrf);
      if (h?.state !== 'elevated' && h?.state !== 'normal') return [];
      return [{ sequence: h.sequence, step: speaker?.world.steps.get(`${vm.vrf}|${prefix}` as AddressKey) ?? 0 }];
    }).sort((a, b) => b.sequence - a.sequence);
    const [newest, ...older] = standing;
    return newest !== undefined && older.some(({ step }) => step >= newest.step);
  }

  private handover(name: string, prefix: Prefix, vrf: Vrf): Handover | undefined {
    const node = this.stage.nodes.find((one) => one.name === name);
    return node?.speaker?.world.locRib.handovers.get(`${vrf}|${prefix}` as AddressKey);
  }

  private guestOf(prefix: Prefix, vrf: Vrf): Guest | undefined {
    const address: IpAddress = prefixAddress(prefix);
    return this.guests.all.find(({ vm }) => vm.vrf === vrf && vm.addresses.includes(address));
  }
}

function sequenceOf({ route }: RouterCandidate): number {
  return decodeClaimMarks(65010, route.attributes.largeCommunities).sequence ?? 0;
}

function describe({ prefix, attributes }: Route): string {
  const { sequence } = decodeClaimMarks(65010, attributes.largeCommunities);
  return `${prefix} sequence ${sequence}${isLeaving(attributes.communities) ? ' leaving' : ''} local-pref ${attributes.localPref} med ${attributes.med}`;
}
