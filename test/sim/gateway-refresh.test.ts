import assert from 'node:assert/strict';
import { parseAnnouncement } from '../../garp/announcement.ts';
import { rarpFrame } from '../../garp/wire/frames.ts';
import type { IpAddress } from '../../net/ip.ts';
import { Fabric, vmMac } from './fabric.ts';

// `watch[].gateway`: what a VM that lands is told of its gateway.

const bridge = 2;
const own: readonly IpAddress[] = ['203.0.113.1', '203.0.113.2', '2001:db8:100::1', 'fe80::1'] as IpAddress[];

/** A node that has these addresses on its bridge, and the announcements that went out of each port when a VM landed on tap0. */
function land(gateway: { readonly addresses: readonly IpAddress[]; readonly refresh: 'auto' | 'off' } | undefined): Map<number, string[]> {
  const fabric = new Fabric();
  const told = new Map<number, string[]>();
  const node = fabric.addNode(1, (config) => ({ ...config, watch: config.watch.map(({ gateway: _, ...watch }) => (gateway === undefined ? watch : { ...watch, gateway })) }), {}, (ifindex, bytes) => {
    const said = parseAnnouncement({ bytes });
    if ('address' in said && said.address !== undefined && (said.kind === 'garp' || said.kind === 'na')) told.set(ifindex, [...(told.get(ifindex) ?? []), said.address]);
  });
  for (const address of own) fabric.give(node, { type: 'bridge', change: { type: 'ownAddress', ifindex: bridge, address, present: true } });
  fabric.run(3000);
  const tap = fabric.addPort(node, 'tap0');
  fabric.addPort(node, 'tap1');
  fabric.frame(node, tap, rarpFrame(vmMac));
  fabric.run(100);
  return new Map([...told].map(([ifindex, addresses]) => [ifindex === tap ? 0 : ifindex, [...new Set(addresses)].sort()]));
}

describe('watch[].gateway', () => {
  it('refresh auto: the port of the VM, and no other, is told of the gateway addresses that the node has', () => {
    assert.deepEqual(land({ addresses: ['203.0.113.1', '198.51.100.1'] as IpAddress[], refresh: 'auto' }), new Map([[0, ['203.0.113.1', 'fe80::1']]]));
  });

  it('without addresses: of all that the node has inside the prefixes, and its link-local one', () => {
    assert.deepEqual(land({ addresses: [], refresh: 'auto' }), new Map([[0, ['2001:db8:100::1', '203.0.113.1', '203.0.113.2', 'fe80::1']]]));
  });

  it('refresh off, or no gateway at all: nothing', () => {
    assert.deepEqual(land({ addresses: [], refresh: 'off' }), new Map());
    assert.deepEqual(land(undefined), new Map());
  });
});
