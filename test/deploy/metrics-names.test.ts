import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { newMetrics } from '../../src/metrics.ts';
import { renderMetrics } from '../../src/metrics/collect.ts';
import { Fabric } from '../sim/fabric.ts';

const read = (name: string): string => readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');

/** Every name that a scrape has, those of histograms with their suffixes. */
function exported(): Set<string> {
  const { world } = new Fabric().addNode(1).speaker;
  const text = renderMetrics(world, newMetrics(0), { version: '1', commit: 'c', dropped: 0 });
  return new Set(text.split('\n').map((line) => /^(?:# TYPE )?(landfall_\w+)/.exec(line)?.[1] ?? '').filter((name) => name !== ''));
}

describe('deploy/: what dashboards and alerts ask for', () => {
  for (const name of ['alerts.yaml', 'alerts.test.yaml', 'grafana.json']) {
    it(`${name} names only metrics that there are`, () => {
      const known = exported();
      const asked = new Set(read(name).match(/\blandfall_\w+/g));
      assert.ok(asked.size >= 5, [...asked].join());
      assert.deepEqual([...asked].filter((metric) => !known.has(metric)), []);
    });
  }

  it('the dashboard is JSON, each panel has a place of its own and asks the chosen data source', () => {
    const { panels } = JSON.parse(read('grafana.json')) as { panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number }; datasource: { uid: string }; targets: unknown[] }[] };
    const taken = new Map<string, string>();
    for (const { title, gridPos: { x, y, w, h }, datasource, targets } of panels) {
      assert.ok(x + w <= 24 && targets.length > 0 && datasource.uid === '${datasource}', title);
      for (let i = x; i < x + w; i++) {
        for (let j = y; j < y + h; j++) {
          assert.equal(taken.get(`${i} ${j}`), undefined, title);
          taken.set(`${i} ${j}`, title);
        }
      }
    }
    assert.equal(new Set(panels.map((panel) => panel.id)).size, panels.length);
  });
});
