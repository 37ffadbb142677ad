import type { NodeName, Vm } from './addresses.ts';
import { demoVm } from './addresses.ts';
import type { ClientCommand, ClientEvent, StreamReport } from './client.ts';
import type { ProbeSample } from './gaps.ts';
import type { HypervisorCommand, HypervisorEvent, MovingVm } from './hypervisor.ts';
import { Daemon, scriptCommand, sleep, waitFor } from './processes.ts';
import type { Topology } from './topology.ts';
import { cableOf, plug, unplug } from './topology.ts';

/** What happened to a VM in one move; wall clock, ms. */
export interface MoveTimes {
  readonly pausedAt: number;
  /** The first RARP leaves at this moment. */
  readonly resumedAt: number;
}

export interface MoveOptions {
  /** How long the VM stands still, ms. */
  readonly pauseMs?: number;
  /** How long the destination's port is there before the VM, ms. Measured on QEMU: 1,300. */
  readonly leadMs?: number;
  /** How long the source's port stays after RESUME; undefined: for ever (until the VM comes back). */
  readonly keepSourceMs?: number;
  /** false: the VM moves without a word, as a guest would without QEMU. */
  readonly announce?: boolean;
}

/** Omit that keeps the members of a union apart. */
type WithoutId<T> = T extends { id: number } ? Omit<T, 'id'> : T;

/** Runs the programs on a topology: what QEMU does, what runs in the VM, and the client. */
export class Stage {
  readonly topology: Topology;
  #hypervisor: Daemon | undefined;
  #client: Daemon | undefined;
  #ready = 0;
  #nextId = 1;
  #waiting = new Map<number, { resolve: (event: HypervisorEvent | ClientEvent) => void; reject: (error: Error) => void }>();
  #moves = new Map<number, { pausedAt?: number; resumedAt?: number }>();
  #connected = new Set<string>();
  /** Where each VM is, by index. */
  readonly location = new Map<number, NodeName>();

  constructor(topology: Topology) {
    this.topology = topology;
  }

  /** Starts what QEMU, the guests and the client are here; puts every VM on `node`, without a word. */
  async start(node: NodeName): Promise<void> {
    const { namespaces, vms } = this.topology;
    const start = (ns: string, script: string): Daemon => new Daemon(`${ns}/${script}`, namespaces.exec(ns, scriptCommand(script)), { onLine: (line) => this.#heard(line) });
    this.#hypervisor = start('hv', 'hypervisor');
    this.#client = start('client', 'client');
    const first = vms[0] as Vm;
    const guest = start(`vm${first.index}`, 'guest');
    for (const vm of vms) await plug(this.topology, vm, node);
    for (const vm of vms) await this.attach(vm, node);
    await waitFor('the programs of the stage', 20_000, () => {
      const ended = [this.#hypervisor, this.#client, guest].find((daemon) => daemon?.alive === false);
      if (ended !== undefined) throw new Error(`${ended.name} ended: ${ended.tail}`);
      return this.#ready === 3;
    });
  }

  #heard(line: string): void {
    if (!line.startsWith('{')) return;
    const event = JSON.parse(line) as HypervisorEvent | ClientEvent;
    if (event.event === 'ready') this.#ready++;
    else if (event.event === 'connected') this.#connected.add(event.name);
    else if (event.event === 'paused' || event.event === 'resumed') {
      const times = this.#moves.get(event.id) ?? {};
      this.#moves.set(event.id, { ...times, [event.event === 'paused' ? 'pausedAt' : 'resumedAt']: event.at });
    } else {
      const waiting = this.#waiting.get(event.id);
      this.#waiting.delete(event.id);
      if (event.event === 'failed') waiting?.reject(new Error(event.text));
      else waiting?.resolve(event);
    }
  }

  #ask<Event extends HypervisorEvent | ClientEvent>(daemon: Daemon | undefined, command: WithoutId<HypervisorCommand | ClientCommand>, id = this.#nextId++): Promise<Event> {
    return new Promise((resolve, reject) => {
      if (daemon?.alive !== true) return reject(new Error(`${daemon?.name ?? 'the stage'} does not run: ${daemon?.tail ?? ''}`));
      this.#waiting.set(id, { resolve: resolve as (event: HypervisorEvent | ClientEvent) => void, reject });
      void daemon.ended.then(() => reject(new Error(`${daemon.name} ended: ${daemon.tail}`)));
      daemon.tell({ ...command, id });
    });
  }

  /** Joins the VM's network card to its cable to `node`. */
  async attach(vm: Vm, node: NodeName): Promise<void> {
    await this.#ask(this.#hypervisor, { type: 'attach', bridge: `vm${vm.index}`, cable: cableOf(vm, node) });
    this.location.set(vm.index, node);
  }

  /** Sends whole frames out of the hypervisor's end of a cable: what comes into the node from the VM's port. */
  async sendFrames(ifname: string, frames: readonly Uint8Array[], everyMs?: number): Promise<void> {
    await this.#ask(this.#hypervisor, { type: 'frames', ifname, hex: frames.map((frame) => Buffer.from(frame).toString('hex')), ...(everyMs === undefined ? {} : { everyMs }) });
  }

  /** A VM that starts here for the first time, or once more: QEMU and guest announce it. */
  async boot(vms: readonly Vm[], node: NodeName): Promise<void> {
    await this.#ask(this.#hypervisor, { type: 'move', vms: vms.map((vm) => ({ ...this.#moving(vm, node) })), pauseMs: 0, announce: true });
  }

  #moving(vm: Vm, to: NodeName): MovingVm {
    return { bridge: `vm${vm.index}`, mac: vm.mac, ips: [vm.ipv4, vm.ipv6], to: cableOf(vm, to) };
  }

  /**
   * One live migration of all VMs, from where they are to `to`. Resolves after the last repeat of the announcements (0.9 s after
   * RESUME) and, where the source's port goes, after that.
   */
  async move(to: NodeName, options: MoveOptions = {}, onResumed?: (times: MoveTimes) => void): Promise<MoveTimes> {
    const { vms } = this.topology;
    const from: NodeName = to === 'a' ? 'b' : 'a';
    for (const vm of vms) {
      await unplug(this.topology, vm, to);
      await plug(this.topology, vm, to);
    }
    await sleep(options.leadMs ?? 1300);
    const id = this.#nextId++;
    const moving = vms.map((vm) => ({ ...this.#moving(vm, to), from: cableOf(vm, from) }));
    const done = this.#ask(this.#hypervisor, { type: 'move', vms: moving, pauseMs: options.pauseMs ?? 50, announce: options.announce ?? true }, id);
    done.catch(() => undefined); // awaited below
    const times = await waitFor('the VM to resume', 10_000, () => {
      const { pausedAt, resumedAt } = this.#moves.get(id) ?? {};
      return pausedAt !== undefined && resumedAt !== undefined ? { pausedAt, resumedAt } : undefined;
    }, 1);
    for (const vm of vms) this.location.set(vm.index, to);
    onResumed?.(times);
    if (options.keepSourceMs !== undefined) {
      await sleep(options.keepSourceMs);
      for (const vm of vms) await unplug(this.topology, vm, from);
    }
    await done;
    return times;
  }

  /** Opens the client's TCP connections to the first VM and waits until both stand. */
  async connectClient(): Promise<void> {
    const vm = demoVm(1);
    this.#client?.tell({ type: 'connect', name: 'tcp-ipv4', address: vm.ipv4 });
    this.#client?.tell({ type: 'connect', name: 'tcp-ipv6', address: vm.ipv6 });
    await waitFor('TCP connections from the client to the VM', 15_000, () => this.#connected.size === 2);
  }

  /** Starts the client's UDP probes of the first VM. */
  startProbes(everyMs = 1): void {
    const vm = demoVm(1);
    this.#client?.tell({ type: 'probe', name: 'udp-ipv4', address: vm.ipv4, everyMs });
    this.#client?.tell({ type: 'probe', name: 'udp-ipv6', address: vm.ipv6, everyMs });
  }

  /** What each probe saw of the packets sent in [from, to]. */
  async samples(from: number, to: number): Promise<Record<string, ProbeSample[]>> {
    return (await this.#ask<ClientEvent & { event: 'samples' }>(this.#client, { type: 'samples', from, to })).probes;
  }

  /** How the TCP connections are. */
  async streams(): Promise<StreamReport[]> {
    return (await this.#ask<ClientEvent & { event: 'streams' }>(this.#client, { type: 'streams' })).streams;
  }
}
