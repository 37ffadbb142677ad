import type { Fabric, SimNode } from './fabric.ts';

/** A VM runs behind `ifindex`: it answers a probe of ours a little later. */
export function answerProbe(fabric: Fabric, node: SimNode, ifindex: number, probe: Uint8Array): void {
  const answer = answerTo(probe);
  if (answer !== undefined) fabric.frameLater(node, ifindex, answer);
}

/** What the stack of the VM that a probe asks answers: an ARP reply, or a solicited NA, from its MAC. `undefined`: no probe. */
export function answerTo(probe: Uint8Array): Uint8Array | undefined {
  const asker = probe.slice(6, 12);
  const vm = probe.slice(0, 6);
  if (probe[12] === 0x08 && probe[13] === 0x06) {
    const reply = probe.slice();
    reply.set(asker, 0);
    reply.set(vm, 6);
    reply[21] = 2;
    reply.set(vm, 22);
    reply.set(probe.subarray(38, 42), 28);
    reply.set(asker, 32);
    reply.set([0, 0, 0, 0], 38);
    return reply;
  }
  if (probe[12] !== 0x86 || probe[54] !== 135) return undefined;
  const na = new Uint8Array(86);
  na.set(asker, 0);
  na.set(vm, 6);
  na.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255], 12);
  const target = probe.subarray(62, 78);
  na.set(target, 22);
  na.set(probe.subarray(22, 38), 38);
  na.set([136, 0, 0, 0, 0x60, 0, 0, 0], 54); // solicited, override
  na.set(target, 62);
  na.set([2, 1], 78);
  na.set(vm, 80);
  let sum = 32 + 58;
  for (let i = 22; i < na.length; i += 2) sum += ((na[i] as number) << 8) | (na[i + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  na.set([(~sum >>> 8) & 255, ~sum & 255], 56);
  return na;
}
