import assert from 'node:assert/strict';
import { speakerAsn, type Mode } from './case.ts';
import { cases, casesOf } from './cases.ts';
import { runOnCore } from './core-target.ts';
import { judge } from './judge.ts';

// Every case against the session core. The same cases over TCP: `npm run hostile`.

describe('a hostile peer', () => {
  it('has at least 200 cases, each with a name and a rule of its own', () => {
    assert.ok(cases.length >= 200, String(cases.length));
    for (const mode of ['ibgp', 'ebgp'] as const) {
      const names = casesOf(mode).map(({ name }) => name);
      assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
    }
    for (const { name, rfc, why } of cases) {
      assert.ok(/\d/.test(rfc) || rfc.startsWith('draft-'), name);
      assert.ok(why !== '', name);
    }
  });

  for (const mode of ['ibgp', 'ebgp'] as const satisfies Mode[]) {
    describe(mode, () => {
      for (const one of casesOf(mode)) {
        it(`${one.name} (RFC ${one.rfc}: ${one.why})`, () => {
          const facts = { mode, asn: mode === 'ibgp' ? speakerAsn : 65010, slot: 7, ...(one.twoOctet === true ? { twoOctet: true } : {}) };
          assert.equal(judge(one, runOnCore(one, facts)), undefined);
        });
      }
    });
  }
});
