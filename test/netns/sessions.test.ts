import { nodeNamespace } from '../../src/demo/topology.ts';
import { must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import type { TorKind } from '../../src/demo/tor.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// Sessions that end and return: the full table is sent again, and it is the state of now, not of then.

for (const kind of ['frr', 'bird', 'embedded'] as const satisfies TorKind[]) {
  describe(`sessions that end and return, ${kind}`, function () {
    this.timeout(90_000);
    let lab: Lab;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], vms: 3 });
      await lab.stage.boot(lab.topology.vms, 'a');
      await lab.agree(allOn('a', lab.topology.vms));
    });
    after(() => lab?.stop());
    beforeSecondTry(async (title) => {
      await run(lab.topology.namespaces.exec(nodeNamespace('b'), ['nft', 'delete', 'table', 'inet', 'cut']));
      await lab.tor.stop('SIGKILL'); // where it is not away already
      await lab.tor.start();
      await lab.home(title.includes('with nothing changed') ? 'b' : 'a');
    });

    it('the router crashes and starts again: it gets the full state back', async () => {
      await lab.tor.stop('SIGKILL');
      await sleep(500);
      await lab.tor.start();
      await lab.sessionsUp();
      await lab.agree(allOn('a', lab.topology.vms), 20_000);
    });

    it('the session of node b is cut during a move and heals: the router gets the state of now', async () => {
      const { namespaces, vms } = lab.topology;
      const inside = namespaces.exec(nodeNamespace('b'), []);
      await must([...inside, 'nft', '-f', '-'], { input: 'table inet cut { chain out { type filter hook output priority 0; tcp dport 179 drop; }; chain in { type filter hook input priority 0; tcp sport 179 drop; }; }\n' });
      await lab.stage.move('b', { leadMs: 200, keepSourceMs: 300 });
      await waitFor('the router to drop the session of node b', 20_000, async () => (await lab.tor.established()).length === 1, 200);
      await must([...inside, 'nft', 'delete', 'table', 'inet', 'cut']);
      await lab.sessionsUp();
      await lab.agree(allOn('b', vms), 20_000);
    });

    it('the session is cut and heals with nothing changed: the full table is sent again', async () => {
      const { namespaces, vms } = lab.topology;
      const inside = namespaces.exec(nodeNamespace('b'), []);
      await must([...inside, 'nft', '-f', '-'], { input: 'table inet cut { chain out { type filter hook output priority 0; tcp dport 179 drop; }; chain in { type filter hook input priority 0; tcp sport 179 drop; }; }\n' });
      await waitFor('the router to drop the session of node b', 20_000, async () => (await lab.tor.established()).length === 1, 200);
      await must([...inside, 'nft', 'delete', 'table', 'inet', 'cut']);
      await lab.sessionsUp();
      await lab.agree(allOn('b', vms), 20_000);
    });
  });
}

describe('two routers', function () {
  this.timeout(60_000);
  let lab: Lab;
  before(async function () {
    needs(this, 'frr', 'bird');
    lab = await Lab.start({ mode: 'l3', tors: ['frr', 'bird'] });
  });
  after(() => lab?.stop());

  it('both get the claim', async () => {
    await lab.stage.boot([lab.vm], 'a');
    await lab.agree(allOn('a', [lab.vm]));
  });

  it('both follow the move', async () => {
    await lab.stage.move('b', { leadMs: 200, keepSourceMs: 300 });
    await lab.agree(allOn('b', [lab.vm]));
  });

  it('one of them crashes, the VM moves back, and it learns of that when it returns', async () => {
    await lab.tors[1]!.stop('SIGKILL');
    await lab.stage.move('a', { leadMs: 200, keepSourceMs: 300 });
    await lab.tors[1]!.start();
    await lab.sessionsUp();
    await lab.agree(allOn('a', [lab.vm]), 20_000);
  });
});
