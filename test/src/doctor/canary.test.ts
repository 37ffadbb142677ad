import assert from 'node:assert/strict';
import { ip } from '../../../net/ip.ts';
import { judgeCanary, whyNoCanary, type CanaryFacts } from '../../../src/doctor/canary.ts';
import { collectPeers } from '../../../src/collect/peers.ts';
import { collectReceived } from '../../../src/collect/received.ts';
import { collectPrefixes } from '../../../src/collect/prefixes.ts';
import type { PeerItem, ReceivedItem } from '../../../src/views/items.ts';
import { Fabric, type SimNode } from '../../sim/fabric.ts';
import { peers } from '../fake-daemon.ts';

const prefix = '203.0.113.200/32';
const route = (more: Partial<ReceivedItem>): ReceivedItem => ({
  peer: 'tor-a', prefix, nextHop: '192.0.2.2', asPath: '', communities: [], largeCommunities: [], kind: 'rival', sequence: 5, node: '192.0.2.2', since: '', ...more,
});
const facts = (more: Partial<CanaryFacts>): CanaryFacts => ({ prefix, bindings: [], prefixes: [], received: [], ...more });

describe('doctor --canary', () => {
  it('takes an address that nobody has, or that another node\'s canary has', () => {
    assert.equal(whyNoCanary(facts({})), undefined);
    assert.equal(whyNoCanary(facts({ received: [route({})] })), undefined);
  });

  for (const [what, more, text] of [
    ['has a binding', { bindings: [{ vm: 'shop/web-1', mac: '', vrf: 'default', ips: ['203.0.113.200'], origin: 'config' }] }, /belongs to shop\/web-1 \(config\)/],
    ['lives here', { prefixes: [{ prefix, state: 'normal' }] }, /is normal on this node/],
    ['is another node\'s VM', { received: [route({ mac: '52:54:00:aa:00:01' })] }, /MAC 52:54:00:aa:00:01/],
    ['has a route without marks', { received: [route({ kind: 'foreign', sequence: undefined as never, node: undefined as never })] }, /no canary/],
    ['has a claim from the future', { received: [route({ kind: 'future' })] }, /no canary/],
  ] as const) {
    it(`refuses one that ${what}`, () => assert.match(whyNoCanary(facts(more as never)) ?? '', text));
  }

  const moment = { prefix, sequence: 10, seconds: 1, peer: peers[0] as PeerItem, sent: true, received: [] as ReceivedItem[] };
  for (const [what, more, result, text] of [
    ['says nothing', {}, 'waiting', /shows nothing back/],
    ['shows our claim', { received: [route({ kind: 'own', sequence: 10 })] }, 'ok', /shows our canary back/],
    ['shows an old claim of ours', { received: [route({ kind: 'own', sequence: 9 })] }, 'waiting', /shows nothing back/],
    ['shows the newer claim', { received: [route({ sequence: 11 })] }, 'ok', /the newer claim wins/],
    ['still shows the older claim', { received: [route({})] }, 'waiting', /still shows the older canary/],
    ['keeps the older claim', { received: [route({})], seconds: 6 }, 'fail', /still prefers the older canary/],
    ['has withdrawn the older claim', { rivalSeen: 5 }, 'ok', /ours, the newer one, wins/],
    ['had shown a newer one, which is gone', { rivalSeen: 11 }, 'waiting', /shows nothing back/],
    ['is down', { peer: peers[1] as PeerItem }, 'fail', /session is active/],
    ['was not sent it', { sent: false }, 'fail', /not sent/],
  ] as const) {
    it(`a router that ${what}: ${result}`, () => {
      const view = judgeCanary({ ...moment, ...more });
      assert.equal(view.result, result);
      assert.match(view.text, text);
    });
  }

  it('waits for another node\'s canary as long as a router shows ours alone', () => {
    const decided = (more: object): boolean => judgeCanary({ ...moment, ...more }).isDecided;
    assert.deepEqual([decided({ received: [route({ kind: 'own', sequence: 10 })] }), decided({}), decided({ received: [route({})] })], [false, false, false]);
    assert.deepEqual([decided({ received: [route({ sequence: 11 })] }), decided({ rivalSeen: 5 }), decided({ sent: false })], [true, true, true]);
  });

  it('two nodes in turn: each sees that the newer claim wins, and afterwards there is no route', () => {
    const fabric = new Fabric();
    const nodes = [fabric.addNode(1), fabric.addNode(2)] as const;
    fabric.run(3000);
    const address = ip('203.0.113.200');
    const look = (node: SimNode, rivalSeen: number | undefined) => {
      const { world } = node.speaker;
      const [mine] = collectPrefixes(world, { prefix });
      return judgeCanary({ prefix, sequence: mine?.sequence ?? 0, seconds: 1, peer: collectPeers(world)[0] as PeerItem, sent: mine?.peers.names.includes('tor') === true, received: collectReceived(world, prefix), ...(rivalSeen === undefined ? {} : { rivalSeen }) });
    };
    const override = (node: SimNode, what: 'announce' | 'auto'): void => {
      fabric.performFor(node, node.speaker.override('default', address, what, fabric.now()));
      fabric.run(1000);
    };
    override(nodes[0], 'announce');
    const seen = collectReceived(nodes[1].speaker.world, prefix);
    assert.equal(whyNoCanary(facts({ received: seen })), undefined);
    override(nodes[1], 'announce');
    assert.match(look(nodes[0], undefined).text, /the newer claim wins/);
    assert.match(look(nodes[1], seen[0]?.sequence).text, /ours, the newer one, wins|shows our canary back/);
    for (const node of nodes) override(node, 'auto');
    fabric.run(5000);
    for (const node of nodes) assert.deepEqual([collectReceived(node.speaker.world, prefix), node.speaker.world.peers.get('tor')?.adjOut.sent.size], [[], 0]);
  });
});
