import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeName, Vm } from '../addresses.ts';
import { tapMac, vlan } from '../addresses.ts';
import { Daemon, waitFor } from '../processes.ts';
import type { Topology } from '../topology.ts';
import { nodeNamespace, portOf } from '../topology.ts';
import { findExample, type Guest } from './guest-files.ts';
import type { Qmp, QmpEvent } from './qmp.ts';
import { openQmp } from './qmp.ts';

export type Accelerator = 'kvm' | 'tcg';

/** KVM where the processor's own virtualisation is to be seen: a `/dev/kvm` without it may accept a VM and never run it. */
export function accelerator(): Accelerator {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return /^flags\s*:.* (vmx|svm)( |$)/m.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'kvm' : 'tcg';
  } catch {
    return 'tcg';
  }
}

export interface MachineOptions {
  readonly topology: Topology;
  readonly vm: Vm;
  readonly node: NodeName;
  readonly guest: Guest;
  readonly accel: Accelerator;
  /** For its log and its monitor's socket. */
  readonly folder: string;
  /** Waits for a migration; `paused`: and for `cont` after it (-S), as libvirt has it. */
  readonly incoming?: { readonly paused: boolean };
  /** Gives landfall hints, at this socket of the daemon's. */
  readonly hints?: { readonly api: string };
}

/** One QEMU process in a node's namespace, with a tap on the node's bridge. */
export interface Machine {
  readonly node: NodeName;
  readonly qmp: Qmp;
  /** All that QEMU told since it started, in its order. */
  readonly events: readonly QmpEvent[];
  /** Resolves when the guest's programs listen. */
  booted(): Promise<void>;
  alive(): boolean;
  tail(): string;
  /** Ends QEMU, and then takes its tap away, as libvirt does. A second time: nothing. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * 96 MiB and a bit. QEMU before 9.0 forgets writes of a VM under TCG when its memory is a multiple of 256 KiB: clearing whole words of the
 * dirty bitmap leaves the VM's TLB as it was, pages go stale, and the guest crashes at the destination.
 */
const memory = `${96 * 1024 + 8}K`;

let count = 0;

/** Makes the tap, starts QEMU and connects to its monitor. On failure neither is left. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { topology, node, vm } = options;
  const socket = join(options.folder, `qmp-${++count}`);
  const port = portOf(vm);
  const watched = options.hints === undefined ? undefined : `${socket}-watched`;
  await makeTap(topology, node, vm);
  const events: QmpEvent[] = [];
  let ready = false;
  const daemon = new Daemon(`node-${node}/qemu`, topology.namespaces.exec(nodeNamespace(node), commandLine(options, socket, watched)), {
    log: join(options.folder, `qemu-${count}-node-${node}.log`),
    onLine: (line) => {
      ready ||= line.startsWith('guest: ready');
    },
  });
  let ending: Promise<void> | undefined;
  const end = (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    ending ??= daemon.stop(signal).then(() => topology.namespaces.ip(nodeNamespace(node), [`link del ${port}`]));
    return ending;
  };
  try {
    const qmp = await waitFor(`QEMU on node ${node} to open its monitor`, 10_000, () => {
      if (!daemon.alive) throw new Error(`QEMU on node ${node} has ended: ${daemon.tail}`);
      return openQmp(socket, (event) => events.push(event)).catch(() => undefined);
    }, 20);
    if (options.hints !== undefined && watched !== undefined) await startWatcher(options, watched, options.hints.api);
    const booted = async (): Promise<void> => {
      await waitFor('the VM to boot', 60_000, () => {
        if (!daemon.alive) throw new Error(`QEMU on node ${node} has ended: ${daemon.tail}`);
        return ready;
      }, 20);
    };
    return { node, qmp, events, booted, alive: () => daemon.alive, tail: () => daemon.tail, end };
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
}

/**
 * A tap that outlives QEMU, made as libvirt makes it: in the bridge and up; it has carrier when QEMU opens it. Its queue is longer, for a
 * guest under TCG is slow for some 300 ms after RESUME (all of its code is translated anew), and what overflows then is not the route's fault.
 */
async function makeTap({ namespaces }: Topology, node: NodeName, vm: Vm): Promise<void> {
  const ns = nodeNamespace(node);
  const port = portOf(vm);
  await namespaces.ip(ns, [`tuntap add dev ${port} mode tap`]);
  await namespaces.sysctl(ns, { [`net/ipv6/conf/${port}/disable_ipv6`]: 1 });
  await namespaces.ip(ns, [`link set ${port} address ${tapMac(vm)} txqueuelen 20000`, `link set ${port} master br-vlan up`]);
}

/** The program of `examples/`, as an administrator would run it. It ends with QEMU's monitor. */
async function startWatcher({ vm, node, folder }: MachineOptions, qmp: string, api: string): Promise<void> {
  const program = findExample('qmp-watcher.mjs');
  let ready = false;
  const watcher = new Daemon(`node-${node}/qmp-watcher`, [process.execPath, program, '--qmp', qmp, '--api', api, '--vm', vm.name], {
    log: join(folder, `qmp-watcher-${count}-node-${node}.log`),
    onLine: (line) => {
      ready ||= line.startsWith('watching');
    },
  });
  await waitFor('the QMP watcher to be connected', 10_000, () => {
    if (!watcher.alive) throw new Error(`the QMP watcher has ended: ${watcher.tail}`);
    return ready;
  }, 20);
}

function commandLine({ vm, guest, accel, incoming }: MachineOptions, socket: string, watched: string | undefined): string[] {
  const kernelArguments = [
    'console=ttyS0', 'quiet', 'panic=-1', 'mitigations=off',
    `ipv4=${vm.ipv4}/24`, `ipv6=${vm.ipv6}/64`, `gateway4=${vlan.gateway.ipv4}`, `gateway6=${vlan.gateway.ipv6}`,
  ];
  return [
    'qemu-system-x86_64', '-name', vm.name.replace('/', '-'), '-machine', 'pc', '-accel', accel === 'kvm' ? 'kvm' : 'tcg,thread=single', '-smp', '1', '-m', memory,
    '-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'stdio', '-qmp', `unix:${socket},server=on,wait=off`,
    ...(watched === undefined ? [] : ['-qmp', `unix:${watched},server=on,wait=off`]),
    '-netdev', `tap,id=n0,ifname=${portOf(vm)},script=no,downscript=no,vhost=off`, '-device', `virtio-net-pci,netdev=n0,mac=${vm.mac},romfile=`,
    '-kernel', guest.kernel, '-initrd', guest.initramfs, '-append', kernelArguments.join(' '),
    ...(incoming === undefined ? [] : ['-incoming', 'defer', ...(incoming.paused ? ['-S'] : [])]),
  ];
}
