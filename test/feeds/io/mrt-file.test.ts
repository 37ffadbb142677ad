import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMrtFile } from '../../../feeds/io/mrt-file.ts';
import { waitFor } from '../../../src/demo/processes.ts';

const record = (n: number): Uint8Array => Buffer.from(`${n}`.padStart(99, '.') + '\n');

describe('the MRT file', () => {
  let folder: string;
  let states: (string | undefined)[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-mrt-'));
    states = [];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const file = (): string => join(folder, 'dump.mrt');
  const openIt = (maxBytes = 1000, keep = 2) => openMrtFile({ file: file(), maxBytes, keep, onState: (problem) => states.push(problem) });
  const linesOf = (path: string): number[] => readFileSync(path, 'utf8').trim().split('\n').map((line) => Number(line.replace(/^\.*/, '')));

  it('has every record once, in order, in files that are never too large; the oldest go', async () => {
    const mrt = openIt();
    for (let n = 0; n < 37; n++) mrt.write(record(n));
    await mrt.close();
    assert.deepEqual(readdirSync(folder).sort(), ['dump.mrt', 'dump.mrt.1', 'dump.mrt.2']);
    assert.deepEqual(['.2', '.1', ''].flatMap((suffix) => linesOf(file() + suffix)), Array.from({ length: 27 }, (_, i) => 10 + i));
    for (const name of readdirSync(folder)) assert.ok(statSync(join(folder, name)).size <= 1000);
    assert.deepEqual([mrt.lost, states], [0, []]);
    assert.equal(statSync(file()).mode & 0o777, 0o640);
  });

  it('is written without anybody waiting for it, and what an earlier process left is kept', async () => {
    writeFileSync(file(), 'earlier');
    const mrt = openIt();
    mrt.write(record(1));
    // Between the one that is moved aside and the one that begins there is none.
    await waitFor('the record', 5000, () => existsSync(`${file()}.1`) && existsSync(file()) && linesOf(file())[0] === 1);
    assert.equal(readFileSync(`${file()}.1`, 'utf8'), 'earlier');
    mrt.write(record(2));
    await mrt.close();
    assert.deepEqual(linesOf(file()), [1, 2]);
  });

  it('another of the same name begins when the one before has ended', async () => {
    const before = openIt();
    before.write(record(1));
    const after = openMrtFile({ file: file(), maxBytes: 1000, keep: 2, onState: (problem) => states.push(problem), after: before.close() });
    after.write(record(2));
    await after.close();
    assert.deepEqual([linesOf(`${file()}.1`), linesOf(file())], [[1], [2]]);
  });

  it('a record that is larger than a file has one of its own', async () => {
    const mrt = openIt(1000, 2);
    for (const each of [record(1), new Uint8Array(3000).fill(65), record(3)]) mrt.write(each);
    await mrt.close();
    assert.deepEqual(['.2', '.1', ''].map((suffix) => statSync(file() + suffix).size), [100, 3000, 100]);
  });

  it('a disk that is full costs records, is told of once, and moves nothing aside', async () => {
    symlinkSync('/dev/full', file());
    const mrt = openIt();
    mrt.write(record(1));
    await waitFor('the failure', 5000, () => states.length > 0);
    for (let n = 0; n < 100; n++) mrt.write(record(n));
    await mrt.close();
    assert.equal(mrt.lost, 101);
    assert.equal(states.length, 1);
    assert.match(states[0] ?? '', /ENOSPC/);
    assert.deepEqual(readdirSync(folder), ['dump.mrt']);
  });

  it('a folder that is not there is told of, and nothing is thrown', async () => {
    const mrt = openMrtFile({ file: join(folder, 'no/dump.mrt'), maxBytes: 1000, keep: 2, onState: (problem) => states.push(problem) });
    mrt.write(record(1));
    await mrt.close();
    assert.match(states[0] ?? '', /ENOENT/);
  });
});
