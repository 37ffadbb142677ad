import type { NodeName, Vm } from './addresses.ts';
import type { StreamReport } from './client.ts';
import type { ProbeSample } from './gaps.ts';
import type { HypervisorCommand, HypervisorEvent, MovingVm } from './hypervisor.ts';
import { sleep, waitFor } from './processes.ts';
import { Script } from './script.ts';
import type { Topology } from './topology.ts';
import { cableOf, plug, unplug } from './topology.ts';
import { Visitor } from './visitor.ts';

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

/** Runs the programs on a topology: what QEMU does, what runs in the first VM, and the client. */
export class Stage {
  readonly topology: Topology;
  #hypervisor: Script<HypervisorCommand> | undefined;
  #client: Visitor | undefined;
  #moves = new Map<number, { pausedAt?: number; resumedAt?: number }>();

  constructor(topology: Topology) {
    this.topology = topology;
  }

  /** Starts what QEMU is here, and with `client` the client and the programs in the first VM; puts every VM on `node`, without a word. */
  async start(node: NodeName, options: { client: boolean } = { client: true }): Promise<void> {
    const { namespaces, vms } = this.topology;
    const scripts: { started(): Promise<void> }[] = [];
    this.#hypervisor = new Script(namespaces, 'hv', 'hypervisor', (event) => this.#moved(event as HypervisorEvent));
    scripts.push(this.#hypervisor);
    if (options.client) {
      this.#client = new Visitor(namespaces);
      scripts.push(this.#client, new Script<never>(namespaces, `vm${vms[0]?.index}`, 'guest'));
    }
    for (const vm of vms) await plug(this.topology, vm, node);
    await Promise.all(scripts.map((script) => script.started()));
    for (const vm of vms) await this.attach(vm, node);
  }

  #moved(event: HypervisorEvent): void {
    if (event.event !== 'paused' && event.event !== 'resumed') return;
    this.#moves.set(event.id, { ...this.#moves.get(event.id), [event.event === 'paused' ? 'pausedAt' : 'resumedAt']: event.at });
  }

  get #qemu(): Script<HypervisorCommand> {
    if (this.#hypervisor === undefined) throw new Error('the stage was not started');
    return this.#hypervisor;
  }

  get #visitor(): Visitor {
    if (this.#client === undefined) throw new Error('the stage was started without a client');
    return this.#client;
  }

  /** Joins the VM's network card to its cable to `node`. */
  async attach(vm: Vm, node: NodeName): Promise<void> {
    await this.#qemu.ask({ type: 'attach', bridge: `vm${vm.index}`, cable: cableOf(vm, node) });
  }

  /** Takes the VM's network card off its cable to `node`: it is paused. */
  async detach(vm: Vm, node: NodeName): Promise<void> {
    await this.#qemu.ask({ type: 'detach', cable: cableOf(vm, node) });
  }

  /** Sends whole frames out of the hypervisor's end of a cable: what comes into the node from the VM's port. */
  async sendFrames(ifname: string, frames: readonly Uint8Array[], everyMs?: number): Promise<void> {
    await this.#qemu.ask({ type: 'frames', ifname, hex: frames.map((frame) => Buffer.from(frame).toString('hex')), ...(everyMs === undefined ? {} : { everyMs }) });
  }

  /** A VM that starts here for the first time, or once more: QEMU and guest announce it. */
  async boot(vms: readonly Vm[], node: NodeName): Promise<void> {
    await this.#qemu.ask({ type: 'move', vms: vms.map((vm) => ({ ...this.#moving(vm, node) })), pauseMs: 0, announce: true });
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
    const id = this.#qemu.newId();
    const moving = vms.map((vm) => ({ ...this.#moving(vm, to), from: cableOf(vm, from) }));
    const done = this.#qemu.ask({ type: 'move', vms: moving, pauseMs: options.pauseMs ?? 50, announce: options.announce ?? true }, id);
    done.catch(() => undefined); // awaited below
    const times = await waitFor('the VM to resume', 10_000, () => {
      const { pausedAt, resumedAt } = this.#moves.get(id) ?? {};
      return pausedAt !== undefined && resumedAt !== undefined ? { pausedAt, resumedAt } : undefined;
    }, 1);
    onResumed?.(times);
    if (options.keepSourceMs !== undefined) {
      await sleep(options.keepSourceMs);
      for (const vm of vms) await unplug(this.topology, vm, from);
    }
    await done;
    return times;
  }

  /** Probes that can't run on this machine, and why. */
  get unavailable(): readonly string[] {
    return this.#client?.unavailable ?? [];
  }

  /** Opens the client's TCP connections to the first VM and waits until both stand. */
  connectClient(): Promise<void> {
    return this.#visitor.connect();
  }

  /** Starts the client's probes of the first VM, UDP and ICMP, IPv4 and IPv6. */
  startProbes(everyMs = 1): void {
    this.#visitor.startProbes(everyMs);
  }

  /** What each probe saw of the packets sent in [from, to]. */
  samples(from: number, to: number): Promise<Record<string, ProbeSample[]>> {
    return this.#visitor.samples(from, to);
  }

  /** How the TCP connections are. */
  streams(): Promise<StreamReport[]> {
    return this.#visitor.streams();
  }
}
