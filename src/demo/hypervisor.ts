import { createInterface } from 'node:readline';
import { ip } from '../../net/ip.ts';
import { openFrameSender } from './io/frame-sender.ts';
import { announcementFrame, rarpFrame } from './frames.ts';
import { must, sleep, wallMs } from './processes.ts';

/**
 * Runs in namespace `hv` and does what QEMU does at a live migration: takes the VM off its old cable, waits, puts it on the new one
 * and sends the RARPs at QEMU's times; and the guest's GARP and NA at the times at which a Linux guest was seen to send them.
 * Commands come as JSON lines, what happened is told as JSON lines with wall-clock times. Ends when its standard input does.
 */
export type HypervisorCommand =
  | { readonly type: 'attach'; readonly bridge: string; readonly cable: string; readonly id: number }
  | { readonly type: 'detach'; readonly cable: string; readonly id: number }
  | { readonly type: 'frames'; readonly ifname: string; readonly hex: readonly string[]; readonly everyMs?: number; readonly id: number }
  /** All of the VMs at once, as when a node is emptied. */
  | { readonly type: 'move'; readonly vms: readonly MovingVm[]; readonly pauseMs: number; readonly announce: boolean; readonly id: number };

export interface MovingVm {
  readonly bridge: string;
  readonly mac: string;
  readonly ips: readonly string[];
  /** Its cable to the node where it is; none when it starts for the first time. */
  readonly from?: string;
  readonly to: string;
}

export type HypervisorEvent =
  | { readonly event: 'ready' }
  | { readonly event: 'done'; readonly id: number; readonly at: number }
  | { readonly event: 'failed'; readonly id: number; readonly text: string }
  | { readonly event: 'paused' | 'resumed'; readonly id: number; readonly at: number };

/** Milliseconds after RESUME: QEMU's own, and those of a Linux guest with `arp_notify` (measured on QEMU 7.2). */
const rarpTimes = [0, 50, 200, 450, 800];
const guestTimes = [15, 90, 240, 500, 850];

const sender = openFrameSender();

async function move(command: HypervisorCommand & { type: 'move' }): Promise<void> {
  const { vms, id, pauseMs } = command;
  const leaving = vms.filter((vm) => vm.from !== undefined);
  if (leaving.length > 0) await batch(leaving.map((vm) => `link set ${vm.from} nomaster`));
  tell({ event: 'paused', id, at: wallMs() });
  const pausedAt = performance.now();
  sender.prepare(vms.map((vm) => vm.to));
  await sleep(Math.max(0, pausedAt + pauseMs - performance.now()));
  await batch(vms.map((vm) => `link set ${vm.to} master ${vm.bridge}`));
  const resumedAt = wallMs();
  const start = performance.now();
  tell({ event: 'resumed', id, at: resumedAt });
  if (!command.announce) return;
  const plan = [
    ...rarpTimes.map((at) => ({ at, send: (vm: MovingVm) => [rarpFrame(vm.mac)] })),
    ...guestTimes.map((at) => ({ at, send: (vm: MovingVm) => vm.ips.map((address) => announcementFrame(vm.mac, ip(address))) })),
  ].sort((a, b) => a.at - b.at);
  for (const step of plan) {
    const wait = start + step.at - performance.now();
    if (wait > 0) await sleep(wait);
    for (const vm of vms) for (const frame of step.send(vm)) sender.send(vm.to, frame);
  }
}

async function perform(command: HypervisorCommand): Promise<void> {
  if (command.type === 'move') return move(command);
  if (command.type === 'attach') return batch([`link set ${command.cable} master ${command.bridge}`]);
  if (command.type === 'detach') return batch([`link set ${command.cable} nomaster`]);
  for (const hex of command.hex) {
    sender.send(command.ifname, Buffer.from(hex, 'hex'));
    if (command.everyMs !== undefined) await sleep(command.everyMs);
  }
}

function batch(lines: readonly string[]): Promise<void> {
  return must(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` }).then(() => undefined);
}

function tell(event: HypervisorEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line) as HypervisorCommand;
    perform(command).then(
      () => tell({ event: 'done', id: command.id, at: wallMs() }),
      (error: unknown) => tell({ event: 'failed', id: command.id, text: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
tell({ event: 'ready' });
