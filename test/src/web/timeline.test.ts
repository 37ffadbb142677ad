import assert from 'node:assert/strict';
import fc from 'fast-check';
import { migrations } from '../fake-daemon.ts';
import type { TimelineEntry } from '../../../src/views/items.ts';

interface Mark { number: number; x: number; y: number; level: number; kind: string }
interface Layout { width: number; height: number; left: number; radius: number; lanes: { peer: string; marks: Mark[]; middle: number }[]; bars: { kind: string; x: number; width: number; y: number }[]; ticks: { x: number; text: string }[] }
const { layOut, formatTime } = (await import(new URL('../../../src/web/timeline.js', import.meta.url).href)) as { layOut(entries: TimelineEntry[], width: number): Layout; formatTime(seconds: number): string };

const entry = (atSeconds: number, event: string, peer?: string): TimelineEntry => ({ atSeconds, event, text: event, ...(peer === undefined ? {} : { peer }) });
const move = [entry(0, 'frame'), entry(0.0003, 'accepted'), entry(0.0008, 'announced', 'tor-a'), entry(0.0011, 'written', 'tor-a'), entry(0.0114, 'reflected', 'tor-a'), entry(0.041, 'source', 'tor-a'), entry(90, 'settled')];

describe('web: the picture of a handover', () => {
  it('has a lane for the node and one for each router, and marks in the order of time', () => {
    const { lanes, bars, ticks } = layOut(move, 720);
    assert.deepEqual(lanes.map((lane) => [lane.peer, lane.marks.map((mark) => mark.number)]), [['', [1, 2, 7]], ['tor-a', [3, 4, 5, 6]]]);
    const all = lanes.flatMap((lane) => lane.marks).sort((a, b) => a.number - b.number);
    for (let i = 1; i < all.length; i++) assert.ok(all[i]!.x >= all[i - 1]!.x);
    assert.deepEqual(bars.map((bar) => bar.kind), ['own', 'router']);
    assert.equal(bars[0]!.x + bars[0]!.width, bars[1]!.x, 'where the node ends the router begins');
    assert.deepEqual([ticks[0]!.text, ticks.at(-1)!.text], ['0', '10 s']);
    assert.equal(all.at(-1)!.kind, 'end');
  });

  it('whatever the timeline and the width: inside the picture, and no mark covers another', () => {
    const entries = fc.array(fc.record({ at: fc.double({ min: -1, max: 1e5, noNaN: true }), event: fc.constantFrom('frame', 'written', 'reflected', 'held', 'settled', 'x'), peer: fc.constantFrom(undefined, 'tor-a', 'tor-b', '__proto__') }), { maxLength: 64 });
    fc.assert(fc.property(entries, fc.integer({ min: 280, max: 1200 }), (list, width) => {
      const { height, lanes, radius } = layOut(list.map(({ at, event, peer }) => entry(at, event, peer)), width);
      const marks = lanes.flatMap((lane) => lane.marks);
      assert.equal(marks.length, list.length);
      for (const mark of marks) assert.ok(mark.x >= 0 && mark.x <= width && mark.y - radius >= 0 && mark.y + radius <= height, JSON.stringify(mark));
      for (const [i, a] of marks.entries()) for (const b of marks.slice(i + 1)) assert.ok(Math.hypot(a.x - b.x, a.y - b.y) >= 2 * radius, JSON.stringify([a, b]));
    }), { numRuns: 200 });
  });

  it('an empty timeline is a picture of nothing', () => assert.deepEqual(layOut([], 300).lanes.map((lane) => lane.marks), [[]]));
  it('times are short', () => assert.deepEqual([0, 0.00034, 0.0114, 0.9996, 90.0011, -0.002].map(formatTime), ['0 ms', '0.3 ms', '11 ms', '1000 ms', '90 s', '-2 ms']));
  it('the example of the documentation lays out', () => assert.equal(layOut(migrations[0]!.timeline, 720).lanes.length, 1));
});
