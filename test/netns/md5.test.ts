import assert from 'node:assert/strict';
import { hostPrefix, linkOf } from '../../src/demo/addresses.ts';
import { sleep } from '../../src/demo/processes.ts';
import { cableOf, plug } from '../../src/demo/topology.ts';
import { Lab, needs } from './lab.ts';
import { resumeFrames } from './frames.ts';

// TCP MD5 (RFC 2385): node a has the router's key, node b another one. (The right key alone is in routers.test.ts.)

for (const kind of ['frr', 'bird'] as const) {
  describe(`a wrong MD5 key, ${kind}`, function () {
    this.timeout(60_000);
    let lab: Lab | undefined;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], peering: { type: 'ibgp', password: 'the-right-one' }, wrongPasswordOnB: 'another' });
    });
    after(() => lab?.stop());

    it('keeps the node with the right key in business', async () => {
      await lab!.stage.boot([lab!.vm], 'a');
      assert.deepEqual(await lab!.tor.established(), [linkOf(0, 'a').node.ipv4]);
      const [peer] = await lab!.nodes.a.peers();
      assert.equal(peer?.state, 'established');
      assert.equal(peer.auth, 'md5');
    });

    it('gives the other no session, and no route', async () => {
      await plug(lab!.topology, lab!.vm, 'b');
      await lab!.sendFrames('hv', cableOf(lab!.vm, 'b'), resumeFrames(lab!.vm));
      await sleep(3000);
      const [peer] = await lab!.nodes.b.peers();
      assert.notEqual(peer?.state, 'established');
      assert.equal(peer?.auth, 'md5');
      assert.deepEqual(await lab!.tor.established(), [linkOf(0, 'a').node.ipv4]);
      const routes = (await lab!.tor.routes()).filter((route) => route.prefix === hostPrefix(lab!.vm.ipv4));
      assert.deepEqual(routes.map((route) => route.nextHop), [linkOf(0, 'a').node.ipv4]);
      lab!.neverMultipath();
    });

    it('shows on node b what it has: a claim that no peer was sent', async () => {
      const shown = await lab!.nodes.b.prefixes();
      assert.deepEqual(shown.map((item) => item.peers.sent), shown.map(() => 0));
    });
  });
}
