/** Frames for the scenarios: those of VMs and QEMU, and what a pod's kernel says before its VM runs. */
export { announcementFrame, arp, arpProbeFrame, dadFrame, ethernet, garpFrame, naFrame, rarpFrame } from '../../src/demo/frames.ts';

import { announcementFrame, rarpFrame } from '../../src/demo/frames.ts';
import type { Vm } from '../../src/demo/addresses.ts';

/** RARP, GARP and NA of a VM, in the order in which QEMU and a Linux guest send them. */
export function resumeFrames(vm: Vm, vlan?: number): Uint8Array[] {
  return [rarpFrame(vm.mac, vlan), announcementFrame(vm.mac, vm.ipv4, vlan), announcementFrame(vm.mac, vm.ipv6, vlan)];
}
