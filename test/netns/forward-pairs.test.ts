import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needs } from './lab.ts';
import { TwoVlans, type Fabric } from './two-vlans.ts';

// After each move every pair talks: VMs of one node and of two, of one VLAN and of two, VM and client, VM and node; by new connections from either
// side and by those that were open before.

const moves = Number(process.env['LANDFALL_MOVES'] ?? 20);

const fabrics: readonly (Fabric & { readonly stragglers?: true })[] = [
  { mode: 'l3', tor: 'frr', routes: 'received' },
  { mode: 'l3', tor: 'bird', routes: 'received', stragglers: true },
  { mode: 'l3', tor: 'frr', routes: 'host', stragglers: true },
  { mode: 'l3', tor: 'bird', routes: 'host' },
  { mode: 'l2', tor: 'frr', routes: 'off', stragglers: true },
  { mode: 'l2', tor: 'bird', routes: 'off' },
];

for (const { stragglers, ...fabric } of fabrics) {
  describe(`every pair after each of ${moves} moves: ${fabric.mode}, ${fabric.tor}, kernel.routes ${fabric.routes}${stragglers === true ? ', stragglers' : ''}`, function () {
    this.timeout(60_000 + moves * 20_000);
    let crowd: TwoVlans | undefined;
    let folder: string;
    before(async function () {
      needs(this, fabric.tor);
      folder = mkdtempSync(join(tmpdir(), 'landfall-pairs-'));
      writeFileSync(join(folder, 'key'), 'a key of the whole fleet\n', { mode: 0o600 });
      crowd = await TwoVlans.start({ ...fabric, ...(stragglers === true ? { extra: `stragglers: {enabled: true, key: {file: ${folder}/key}}\n` } : {}) });
    });
    after(async () => {
      await crowd?.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    it('everybody reaches everybody, connections live on, and nobody hears an unreachable or a redirect', async () => {
      if (crowd === undefined) return;
      crowd.heard.length = crowd.lost.length = 0;
      await crowd.everybodyReaches();
      await crowd.openAll();
      for (let move = 0; move < moves; move++) {
        await crowd.nextMove(move);
        await crowd.settled();
        await crowd.everybodyReaches().catch((error: Error) => assert.fail(`after move ${move}: ${error.message}`));
        await crowd.connectionsLive().catch((error: Error) => assert.fail(`after move ${move}: ${error.message}`));
      }
      assert.ok(crowd.given.ipv4 >= moves && crowd.given.ipv6 >= moves, `the router's kernel told of ${crowd.given.ipv4} and ${crowd.given.ipv6} changes in ${moves} moves`);
      assert.deepEqual(crowd.lost, [], 'routes that the router was without');
      assert.deepEqual(crowd.heard, [], `${crowd.heard.join('\n')}\n${crowd.history.join('\n')}`);
      process.stdout.write(`      ${crowd.slow} new connections needed a second SYN\n`);
    });
  });
}
