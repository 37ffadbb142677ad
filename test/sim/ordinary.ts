import { garpFrame } from '../../garp/wire/frames.ts';
import { ipToBytes } from '../../net/ip.ts';
import { macToBytes } from '../../net/mac.ts';
import type { Vm } from './node.ts';

/** An ARP request of the VM's for its gateway. */
export function ordinaryArp(vm: Vm): Uint8Array {
  const frame = garpFrame(vm.mac, vm.addresses[0]).slice();
  frame.set([203, 0, 113, 1], 38);
  return frame;
}

/** A Neighbor Solicitation of the VM's for its gateway, from its own address, with its link-layer address. */
export function ordinaryNs(vm: Vm): Uint8Array {
  const frame = new Uint8Array(86);
  frame.set([0x33, 0x33, 0xff, 0, 0, 1], 0);
  frame.set(macToBytes(vm.mac), 6);
  frame.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255], 12);
  frame.set(ipToBytes(vm.addresses[1]), 22);
  frame.set([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 1], 38);
  frame[54] = 135;
  frame.set([0x20, 1, 0xd, 0xb8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 62);
  frame.set([1, 1], 78);
  frame.set(macToBytes(vm.mac), 80);
  let sum = 32 + 58;
  for (let i = 22; i < frame.length; i += 2) sum += ((frame[i] as number) << 8) | (frame[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.set([(~sum >>> 8) & 255, ~sum & 255], 56);
  return frame;
}
