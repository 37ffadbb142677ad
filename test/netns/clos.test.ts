import assert from 'node:assert/strict';
import { sleep, waitFor } from '../../src/demo/processes.ts';
import { Clos, elevatedForSeconds, routerNames } from './clos.ts';
import { needs } from './lab.ts';

// Several racks: an eBGP Clos with an AS for each router. Every assertion asks the kernels of both ToRs and of the spine, both families.

for (const os of ['frr', 'bird'] as const) describe(`a Clos of eBGP, ${os}`, function () {
  this.timeout(120_000);
  let clos: Clos | undefined;
  let count = 0;
  const start = async (profile: 'ladder' | 'prepend' | 'sequence'): Promise<Clos> => {
    clos = await Clos.start({ profile, os, prefix: `lf${process.pid}${os[0]}${count++}` });
    return clos;
  };
  before(function () { needs(this, os); });
  afterEach(async () => {
    await clos?.stop();
    clos = undefined;
  });
  const neverMultipath = ({ watches }: Clos): void => {
    for (const router of routerNames) assert.deepEqual(watches[router].multipath, [], `${router} had a multipath route`);
  };

  it('profile ladder: A to B to A and on converges at every tier, without a rest, and comes down again', async () => {
    const fabric = await start('ladder');
    await fabric.stage.boot(fabric.topology.vms, 'a');
    await fabric.agree('a');
    await waitFor('node b to see the claim of node a', 5000, async () => (await fabric.received('b')).filter(({ kind }) => kind === 'rival').length === 2);
    for (const [i, to] of (['b', 'a', 'b', 'a'] as const).entries()) {
      await fabric.stage.move(to, { leadMs: 100, keepSourceMs: 300 });
      await fabric.agree(to);
      for (const item of await fabric.prefixes(to)) assert.equal(item.communities[0], `65010:${201 + i}`, `step of ${item.prefix} after move ${i + 1}`);
    }
    neverMultipath(fabric);
    assert.deepEqual([await fabric.warnings('a'), await fabric.warnings('b')], [[], []]);
    await waitFor('the claim to come down', (elevatedForSeconds + 5) * 1000, async () => (await fabric.prefixes('a')).every(({ state, communities }) => state === 'normal' && communities[0] === '65010:200'), 200);
    await fabric.agree('a');
    await fabric.stage.move('b', { leadMs: 100, keepSourceMs: 300 });
    await fabric.agree('b');
    neverMultipath(fabric);
  });

  it('profile ladder mapped on the sessions of the nodes alone: the source\'s ToR keeps the old path', async () => {
    clos = await Clos.start({ profile: 'ladder', os, prefix: `lf${process.pid}${os[0]}${count++}`, mapping: 'towards nodes' });
    await clos.stage.boot(clos.topology.vms, 'a');
    await clos.agree('a');
    await clos.stage.move('b', { leadMs: 100 });
    await sleep(2000);
    const kernel = await clos.kernel();
    for (const address of [clos.vm.ipv4, clos.vm.ipv6]) {
      assert.ok(kernel.some((line) => line.startsWith(`tor1 ${address}/`) && line.endsWith(' via n0')), kernel.join('\n'));
      assert.ok(kernel.some((line) => line.startsWith(`tor2 ${address}/`) && line.endsWith(' via n0')), kernel.join('\n'));
    }
  });

  it('profile prepend: a move to a claim that has settled converges at every tier with no router configured; a second within elevatedFor is reported', async () => {
    const fabric = await start('prepend');
    await fabric.stage.boot(fabric.topology.vms, 'a');
    await fabric.agree('a');
    await waitFor('the claim to settle', (elevatedForSeconds + 5) * 1000, async () => (await fabric.prefixes('a')).every(({ state }) => state === 'normal'), 200);
    await fabric.agree('a');
    await fabric.stage.move('b', { leadMs: 100, keepSourceMs: 300 });
    await fabric.agree('b');
    neverMultipath(fabric);
    await fabric.stage.move('a', { leadMs: 100, keepSourceMs: 300 });
    const said = (await fabric.cli('a', ['events', '--type', 'migration', '-o', 'jsonl'])).stdout.split('\n').filter((line) => line.includes('claim.unordered'));
    assert.ok(said.some((line) => /second move within elevatedFor/.test(line)) || (await fabric.warnings('a')).some((text) => /second move within elevatedFor/.test(text)), 'node a says that routers may not tell the claims apart');
  });

  it('profile sequence can\'t: config check and status say so before the move, which leaves the fabric divided', async () => {
    const fabric = await start('sequence');
    const checked = await fabric.cli('b', ['config', 'check', fabric.configOf('b')]);
    assert.equal(checked.status, 0);
    assert.match(checked.stderr + checked.stdout, /In a Clos with an AS per ToR, MED stops at the first ToR: use ladder/);
    await fabric.stage.boot(fabric.topology.vms, 'a');
    await fabric.agree('a');
    await waitFor('node b to warn', 5000, async () => (await fabric.warnings('b')).some((text) => /^tor2: .*MED.*ladder/.test(text)));

    await fabric.stage.move('b', { leadMs: 100 });
    await sleep(3000);
    const kernel = await fabric.kernel();
    assert.notDeepEqual(kernel, fabric.expected('b'));
    for (const address of [fabric.vm.ipv4, fabric.vm.ipv6]) {
      const of = (router: string): string | undefined => kernel.find((line) => line.startsWith(`${router} ${address}/`))?.split(' ').at(-1);
      assert.equal(of('tor1'), 'n0', 'the source\'s ToR keeps its own node: the path is shorter');
      assert.equal(of('tor2'), 'n0');
      assert.ok(of('spine') === 't1' || of('spine') === 't1+t2' || of('spine') === 't2+t1', `the spine sends to both or stays with the old one, not to the new one alone: ${of('spine')}`);
    }
  });
});
