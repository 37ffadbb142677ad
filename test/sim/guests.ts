import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { macFromBytes, macToBytes, type Mac } from '../../net/mac.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import type { Speaker } from '../../src/speaker.ts';
import { answerTo } from './probe-answer.ts';
import { placesOf, strangerMac, type Node, type Vm } from './node.ts';
import type { Stage } from './stage.ts';
import { ordinaryArp, ordinaryNs } from './ordinary.ts';

/** Where a VM is, and whether its CPUs run. */
export interface Guest {
  readonly vm: Vm;
  node?: Node;
  ifindex?: number;
  running: boolean;
  /** A migration, a restart: no other begins meanwhile. */
  busy: boolean;
  /** Since when it has run where it runs. */
  sinceMs: number;
}

/** QEMU's announcements after a migration, in milliseconds (`announce-initial` and on). */
const announceAtMs = [0, 50, 200, 450, 800];

/** The VMs' lives: what they do, which ports come and go for it, and which frames the speakers get to see of it. */
export class Guests {
  readonly all: Guest[];
  /** `node|vm`: the speaker was given a frame from a local port that bears the VM's MAC. */
  readonly heardAt = new Set<string>();
  /** The same, of frames that were too early: they count when the node has seen the other claim leave. */
  readonly heardEarlyAt = new Set<string>();
  /** VMs whose MAC somebody else has used: how often. */
  readonly forged = new Map<number, number>();
  private readonly stage: Stage;
  private readonly clean: boolean;

  constructor(stage: Stage, clean: boolean) {
    this.stage = stage;
    this.clean = clean;
    this.all = stage.vms.map((vm) => ({ vm, running: false, busy: false, sinceMs: 0 }));
    for (const node of stage.nodes) node.onProbe = (ifindex, bytes) => this.probed(node, ifindex, bytes);
    if (stage.scenario.lifeMs > 0) for (const guest of this.all) this.live(guest, stage.scenario.lifeMs);
  }

  /** Something ordinary, again and again, until the stage becomes calm; or from then on. */
  live(guest: Guest, everyMs: number, atRest = false): void {
    this.stage.clock.later(everyMs * (0.5 + this.stage.random()), () => {
      if (this.stage.calm !== atRest) return;
      if (guest.running && guest.node !== undefined) {
        // Where nothing is bound, what is ordinary makes no pair: at rest each VM names its addresses.
        const [arp, ns] = atRest && this.stage.scenario.mode === 'learn' ? announcements(guest.vm) : [ordinaryArp(guest.vm), ordinaryNs(guest.vm)];
        this.emit(guest.node, guest.ifindex as number, guest.vm.mac, arp);
        this.emit(guest.node, guest.ifindex as number, guest.vm.mac, ns);
      }
      this.live(guest, everyMs, atRest);
    });
  }

  boot(guest: Guest, node: Node, announces: boolean): void {
    if (guest.node !== undefined || guest.busy) return;
    this.arrive(guest, node, this.addPort(node, guest.vm, false));
    if (announces) this.announce(guest);
  }

  shutdown(guest: Guest): void {
    const { node, ifindex } = guest;
    if (node === undefined || ifindex === undefined || guest.busy) return;
    guest.running = false;
    delete guest.node;
    delete guest.ifindex;
    this.removePort(node, ifindex);
  }

  bounce(guest: Guest, goneMs: number, announces: boolean): void {
    const { node, ifindex } = guest;
    if (node === undefined || ifindex === undefined || guest.busy) return;
    guest.busy = true;
    guest.running = false;
    this.removePort(node, ifindex);
    delete guest.ifindex;
    this.stage.clock.later(goneMs, () => {
      const fresh = this.addPort(node, guest.vm, false);
      this.stage.clock.later(300, () => {
        guest.busy = false;
        this.arrive(guest, node, fresh);
        if (announces) this.announce(guest);
      });
    });
  }

  pause(guest: Guest, forMs: number): void {
    if (!guest.running || guest.busy) return;
    guest.running = false;
    const { ifindex } = guest;
    this.stage.clock.later(forMs, () => { if (!guest.busy && guest.ifindex === ifindex && guest.node !== undefined) this.resume(guest); });
  }

  resume(guest: Guest): void {
    if (guest.running) return;
    guest.running = true;
    guest.sinceMs = this.stage.clock.nowMs;
  }

  move(guest: Guest, to: Node, how: { readonly rarps: number; readonly preMs: number; readonly downMs: number; readonly lingerMs: number; readonly announces: boolean }): void {
    const { node: from, ifindex: old } = guest;
    if (from === undefined || old === undefined || from === to || guest.busy || !guest.running) return;
    const { clock } = this.stage;
    guest.busy = true;
    const fresh = this.addPort(to, guest.vm, true);
    clock.later(how.preMs, () => { guest.running = false; });
    this.rarps(to, fresh, guest.vm, how.rarps, how.preMs + how.downMs, announceAtMs.length);
    clock.later(how.preMs + how.downMs + 1, () => {
      guest.busy = false;
      this.arrive(guest, to, fresh);
      if (how.announces) this.announce(guest);
      clock.later(how.lingerMs, () => this.removePort(from, old));
    });
  }

  cancelEarly(guest: Guest, to: Node, preMs: number): void {
    if (guest.node === undefined || guest.node === to || guest.busy) return;
    guest.busy = true;
    const fresh = this.addPort(to, guest.vm, true);
    this.stage.clock.later(preMs, () => {
      guest.busy = false;
      this.removePort(to, fresh);
    });
  }

  cancelLate(guest: Guest, to: Node, rarps: number, preMs: number, backMs: number): void {
    if (guest.node === undefined || guest.node === to || guest.busy || !guest.running) return;
    const { clock } = this.stage;
    guest.busy = true;
    const fresh = this.addPort(to, guest.vm, true);
    clock.later(preMs, () => { guest.running = false; });
    this.rarps(to, fresh, guest.vm, rarps, preMs + 2, announceAtMs.filter((at) => at <= backMs).length);
    clock.later(preMs + 3 + backMs, () => {
      guest.busy = false;
      this.resume(guest);
      this.removePort(to, fresh);
    });
  }

  pingPong(guest: Guest, to: Node, times: number, everyMs: number): void {
    const back = guest.node;
    if (back === undefined || back === to) return;
    for (let i = 0; i < times; i++) {
      this.stage.clock.later(i * everyMs, () => this.move(guest, i % 2 === 0 ? to : back, { rarps: 31, preMs: 1, downMs: 5, lingerMs: everyMs / 2, announces: false }));
    }
  }

  forge(node: Node, vm: Vm, mac: 'own' | 'victim', frame: 'garp' | 'rarp' | 'na'): void {
    // Where nothing is bound, who names first an address that nobody has is its owner: that is no forger.
    if (mac === 'own' && this.stage.scenario.mode === 'learn') return;
    // Where two claims within `elevatedFor` tie, they may do so as long as both ports live: of a forger's that is for ever.
    if (this.stage.scenario.profile === 'prepend' || this.stage.scenario.profile === 'window') return;
    if (mac === 'victim') this.forged.set(vm.index, (this.forged.get(vm.index) ?? 0) + 1);
    const source = mac === 'own' ? strangerMac : vm.mac;
    const bytes = frame === 'rarp' ? rarpFrame(source) : frame === 'garp' ? garpFrame(source, vm.addresses[0]) : naFrame(source, vm.addresses[1]);
    this.emit(node, placesOf[vm.vrf].strangerIfindex, source, bytes);
  }

  private arrive(guest: Guest, node: Node, ifindex: number): void {
    guest.node = node;
    guest.ifindex = ifindex;
    guest.running = true;
    guest.sinceMs = this.stage.clock.nowMs;
  }

  private announce(guest: Guest): void {
    const { node, ifindex, vm } = guest;
    this.stage.clock.later(3, () => {
      if (guest.node !== node || guest.ifindex !== ifindex || !guest.running) return;
      this.emit(node as Node, ifindex as number, vm.mac, garpFrame(vm.mac, vm.addresses[0]));
      this.emit(node as Node, ifindex as number, vm.mac, naFrame(vm.mac, vm.addresses[1]));
    });
  }

  private rarps(node: Node, ifindex: number, vm: Vm, which: number, fromMs: number, upTo: number): void {
    for (let i = 0; i < upTo; i++) {
      if ((which >> i) & 1) this.stage.clock.later(fromMs + (announceAtMs[i] as number), () => this.emit(node, ifindex, vm.mac, rarpFrame(vm.mac)));
    }
  }

  private addPort(node: Node, vm: Vm, before: boolean): number {
    const { stage } = this;
    const ifindex = node.nextIfindex++;
    const link = { ifindex, name: `${stage.scenario.pods ? 'veth' : 'tap'}${ifindex}`, mac: macFromBytes(Uint8Array.of(2, 1, node.id, 0, ifindex >> 8, ifindex)), master: placesOf[vm.vrf].bridgeIfindex, kind: stage.scenario.pods ? 'veth' : 'tun', up: true, carrier: true };
    node.links.set(ifindex, link);
    node.portSinceMs.set(ifindex, stage.clock.nowMs);
    const { life } = node;
    stage.clock.later(stage.calm ? 0 : stage.random() * 3, () => {
      if (node.life === life && node.links.has(ifindex)) stage.give(node, { type: 'bridge', change: { type: 'link', link } });
    });
    if (before && stage.scenario.pods) {
      stage.clock.later(4, () => {
        this.emit(node, ifindex, vm.mac, garpFrame(vm.mac, vm.addresses[0]), true);
        this.emit(node, ifindex, vm.mac, naFrame(vm.mac, vm.addresses[1]), true);
      });
    }
    return ifindex;
  }

  private removePort(node: Node, ifindex: number): void {
    if (!node.links.delete(ifindex)) return;
    for (const [key, entry] of node.fdb) if (entry.ifindex === ifindex) node.fdb.delete(key);
    const { life } = node;
    this.stage.clock.later(this.stage.calm ? 0 : 3 + this.stage.random() * 3, () => {
      if (node.life === life) this.stage.give(node, { type: 'bridge', change: { type: 'linkGone', ifindex } });
    });
  }

  /** A frame from a port: its own node's capture sees it, and the other nodes' uplinks do where the VLAN is stretched. */
  private emit(node: Node, ifindex: number, mac: Mac, bytes: Uint8Array, early = false): void {
    if (!node.links.has(ifindex)) return;
    this.capture(node, ifindex, mac, bytes, 0, early);
    if (!this.stage.scenario.stretched) return;
    for (const other of this.stage.nodes) if (other !== node) this.capture(other, placesOf[this.stage.vrfAt(node, ifindex)].uplinkIfindex, mac, bytes, this.stage.delay(), early);
  }

  private capture(node: Node, ifindex: number, mac: Mac, bytes: Uint8Array, underWayMs: number, early: boolean): void {
    const { stage } = this;
    const { calm, scenario } = stage;
    if (!calm && stage.random() * 100 < scenario.lossPercent) return;
    const times = !calm && stage.random() * 100 < scenario.doublePercent ? 2 : 1;
    for (let i = 0; i < times; i++) {
      // The kernel's time stamp is right; the process may read the frame late.
      stage.clock.later(underWayMs + i * stage.delay(), () => {
        if (!node.links.has(ifindex)) return;
        const capturedAtMs = stage.clock.nowMs;
        const vrf = stage.vrfAt(node, ifindex);
        node.fdb.set(`${vrf}|${mac}`, { ifindex, mac, vlan: 0, permanent: false });
        const { life } = node;
        stage.clock.later(stage.delay(), () => {
          if (node.life !== life || node.speaker === undefined) return;
          const vm = stage.vms.find((one) => one.mac === mac && one.vrf === vrf);
          if (vm !== undefined && ifindex !== placesOf[vrf].uplinkIfindex) {
            (!early || this.mayCount(node.speaker, vm, ifindex) ? this.heardAt : this.heardEarlyAt).add(`${node.name}|${vm.index}`);
          }
          stage.give(node, { type: 'frame', frame: { bytes, ifindex, capturedAtMs } });
        });
      });
    }
  }

  /** Early words may count where nobody could know of a rival when the port appeared, and where faults make a rival leave. */
  private mayCount({ world }: Speaker, vm: Vm, ifindex: number): boolean {
    const appearedAtMs = world.portSince.get(ifindex) ?? -Infinity;
    return !this.clean || vm.addresses.every((address) => (world.rivals.get(addressKey(vm.vrf, address))?.monotonicMs ?? Infinity) >= appearedAtMs);
  }

  /** A probe reaches the VM behind the port, if it runs there. */
  private probed(node: Node, ifindex: number, bytes: Uint8Array): void {
    for (const guest of this.all) {
      if (guest.node !== node || guest.ifindex !== ifindex || !guest.running) continue;
      const answer = macToBytes(guest.vm.mac).every((octet, i) => octet === bytes[i]) ? answerTo(bytes) : undefined;
      if (answer !== undefined) this.stage.clock.later(0.2, () => { if (guest.running && guest.ifindex === ifindex) this.emit(node, ifindex, guest.vm.mac, answer); });
    }
  }
}

/** The VM names its own addresses. */
function announcements({ mac, addresses: [ipv4, ipv6] }: Vm): readonly [Uint8Array, Uint8Array] {
  return [garpFrame(mac, ipv4), naFrame(mac, ipv6)];
}
