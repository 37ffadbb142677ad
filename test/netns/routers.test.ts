import type { Peering, TorKind } from '../../src/demo/tor.ts';
import type { Mode } from '../../src/demo/topology.ts';
import { Lab, allOn, needs } from './lab.ts';

// The main job against each router: a VM starts, moves and moves back; both families, in the router's kernel and in its table.

interface Case {
  readonly kind: TorKind;
  readonly mode: Mode;
  readonly peering: Peering;
  readonly moves: readonly ('a' | 'b')[];
}

const ibgp: Peering = { type: 'ibgp' };
const ebgp: Peering = { type: 'ebgp' };
const cases: Case[] = [
  { kind: 'frr', mode: 'l3', peering: ibgp, moves: ['b', 'a', 'b'] },
  { kind: 'frr', mode: 'l2', peering: ibgp, moves: ['b', 'a'] },
  { kind: 'frr', mode: 'l3', peering: { ...ebgp, password: 'frr-and-landfall' }, moves: ['b', 'a'] },
  { kind: 'bird', mode: 'l3', peering: { ...ibgp, password: 'bird-and-landfall' }, moves: ['b', 'a'] },
  { kind: 'bird', mode: 'l2', peering: ibgp, moves: ['b', 'a'] },
  { kind: 'bird', mode: 'l3', peering: ebgp, moves: ['b', 'a'] },
  { kind: 'embedded', mode: 'l3', peering: ibgp, moves: ['b', 'a'] },
  { kind: 'embedded', mode: 'l3', peering: ebgp, moves: ['b'] },
  { kind: 'embedded', mode: 'l2', peering: ibgp, moves: ['b', 'a'] },
];

for (const { kind, mode, peering, moves } of cases) {
  describe(`${kind}, ${mode}, ${peering.type}${peering.password === undefined ? '' : ', MD5'}`, function () {
    this.timeout(60_000);
    let lab: Lab | undefined;
    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode, tors: [kind], peering });
    });
    after(() => lab?.stop());

    it('announces a VM that starts on node a', async () => {
      await lab!.stage.boot([lab!.vm], 'a');
      await lab!.agree(allOn('a', [lab!.vm]));
    });

    for (const [i, to] of moves.entries()) {
      it(`follows move ${i + 1}, to node ${to}`, async () => {
        if (peering.type === 'ebgp') await lab!.settled(to === 'b' ? 'a' : 'b'); // in profile window a move before that ties
        await lab!.stage.move(to, { leadMs: 300, keepSourceMs: 500 });
        await lab!.agree(allOn(to, [lab!.vm]));
      });
    }
  });
}
