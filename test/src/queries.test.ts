import assert from 'node:assert/strict';
import { garpFrame } from '../../garp/wire/frames.ts';
import { collectPeers } from '../../src/collect/peers.ts';
import { collectPrefixes } from '../../src/collect/prefixes.ts';
import { answerCommands } from '../../src/daemon/commands.ts';
import type { Turn } from '../../src/daemon/turn.ts';
import { answer } from '../../src/queries.ts';
import type { ListReply, PeerItem, PrefixItem } from '../../src/views/items.ts';
import type { Output } from '../../src/world.ts';
import { Fabric, vm4, vmMac } from '../sim/fabric.ts';

const facts = { version: '0', routerIdFrom: 'configured', capture: { received: 0, dropped: 0 }, warnings: [] };

describe('questions to the daemon', () => {
  function start(): { fabric: Fabric; node: ReturnType<Fabric['addNode']>; tap: number } {
    const fabric = new Fabric();
    const node = fabric.addNode(1);
    fabric.run(3000);
    const tap = fabric.addPort(node, 'tap0');
    fabric.frame(node, tap, garpFrame(vmMac, vm4));
    fabric.run(100);
    return { fabric, node, tap };
  }

  it('about a peer that is not there are refused with the names of those that are', () => {
    const { node: { speaker: { world } } } = start();
    for (const request of [{ verb: 'peers', name: 'NOPE' }, { verb: 'prefixes', peer: 'NOPE' }, { verb: 'received', peer: 'NOPE' }] as const) {
      assert.deepEqual(answer(world, request, facts), { apiVersion: 'landfall/v1', kind: 'Error', error: { code: 'notFound', message: 'no peer is named NOPE; there are tor' } });
    }
    assert.ok((answer(world, { verb: 'prefixes', peer: 'tor' }, facts) as ListReply<unknown>).items.length > 0);
    assert.deepEqual((answer(world, { verb: 'prefixes', vm: 'nobody' }, facts) as ListReply<unknown>).items, []);
  });

  it('about a route that is withdrawn for a time tell when the VM decides again', () => {
    const { fabric, node, tap } = start();
    fabric.performFor(node, node.speaker.override('default', vm4, 'withdraw', fabric.now(), 3));
    const next = (): PrefixItem['next'] => collectPrefixes(node.speaker.world, { prefix: vm4 })[0]?.next;
    assert.deepEqual(next(), { state: 'elevated', inSeconds: 3 });
    (node.speaker.world.bridges.links as Map<number, unknown>).delete(tap);
    assert.deepEqual(next(), { state: 'withdrawn', inSeconds: 3 }, 'nobody is there to ask');
    fabric.performFor(node, node.speaker.override('default', vm4, 'withdraw', fabric.now()));
    assert.equal(next(), undefined, 'until auto');
  });

  it('that change an address are answered with what it is then', () => {
    const { fabric, node } = start();
    const { speaker } = node;
    const turn = { carryOut: (outputs: Output[]) => fabric.performFor(node, outputs) } as unknown as Turn;
    const backend = answerCommands({ speaker, turn, now: () => fabric.now(), reload: () => assert.fail(), facts: () => facts, listeners: new Set() });
    for (const [verb, state, announced] of [['withdraw', 'manual', false], ['announce', 'manual', true]] as const) {
      const { items } = backend.handle({ verb, address: vm4 }) as ListReply<PrefixItem>;
      assert.deepEqual(items.map((item) => [item.prefix, item.state, item.localPref !== undefined]), [[`${vm4}/32`, state, announced]]);
    }
  });

  it('end the name of a capability without a blank, though it lists no families', () => {
    const { node: { speaker: { world } } } = start();
    const peer = [...world.peers.values()][0]!;
    const { negotiated } = peer.session;
    assert.ok(negotiated !== undefined);
    const remoteCapabilities = (['longLivedGracefulRestart', 'addPath', 'extendedNextHop'] as const).map((type) => ({ type, families: [] }));
    (peer as { session: unknown }).session = { ...peer.session, negotiated: { ...negotiated, remoteCapabilities } };
    assert.deepEqual((collectPeers(world)[0] as PeerItem).capabilities, ['long-lived graceful restart', 'add-path', 'extended next hop']);
  });
});
