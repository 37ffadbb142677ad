import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyBeside, openHistory, readHistory } from '../../../src/io/history-file.ts';

describe('the history file', () => {
  let folder: string;
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'landfall-history-')); });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const never = (error: Error): void => { throw error; };

  it('is beside the state file, where that folder can be written to', () => {
    assert.equal(historyBeside(join(folder, 'state.json')), join(folder, 'migrations.jsonl'));
    assert.equal(historyBeside(join(folder, 'nowhere', 'state.json')), undefined);
  });

  it('gets its lines in later turns of the loop, many in one write, in a folder that it makes', async () => {
    const path = join(folder, 'new', 'migrations.jsonl');
    const history = openHistory(path, 100, 0, () => [], never);
    for (let i = 0; i < 50; i++) history.append(`{"i":${i}}`);
    assert.equal(existsSync(path), false);
    await history.flush();
    assert.equal(readFileSync(path, 'utf8').split('\n').length, 51);
    assert.deepEqual(readHistory(path, 100)[49], '{"i":49}');
  });

  it('is written anew with what is kept before it grows beyond four times that', async () => {
    const path = join(folder, 'migrations.jsonl');
    const history = openHistory(path, 10, 0, () => ['a\n', 'b\n'], never);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 20; i++) history.append(`{"round":${round}}`);
      await history.flush();
    }
    const lines = readHistory(path, 10);
    assert.deepEqual(lines.slice(0, 2), ['a', 'b']);
    assert.ok(lines.length <= 40, `${lines.length}`);
  });

  it('fails once in words, runs on, and ends the broken line when it can write again', async () => {
    const path = join(folder, 'at', 'migrations.jsonl');
    mkdirSync(path, { recursive: true }); // a folder stands where the file should be
    const said: string[] = [];
    const history = openHistory(path, 10, 0, () => [], (error) => said.push(error.message));
    for (let i = 0; i < 3; i++) {
      history.append('{"lost":true}');
      await history.flush();
    }
    assert.equal(said.length, 1);
    rmSync(path, { recursive: true });
    writeFileSync(path, '{"half":');
    history.append('{"whole":true}');
    await history.flush();
    assert.deepEqual(readHistory(path, 10), ['{"half":', '{"whole":true}']);
  });

  it('runs on where the disk is full', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const said: string[] = [];
    const history = openHistory('/dev/full', 10, 0, () => [], (error) => said.push(error.message));
    for (let i = 0; i < 3; i++) {
      history.append('{"lost":true}');
      await history.flush();
    }
    assert.deepEqual([said.length, /ENOSPC/.test(said[0] ?? '')], [1, true]);
  });

  it('is read from its end; a file that is not there is empty, one that can\'t be read is an error', () => {
    assert.deepEqual(readHistory(join(folder, 'nothing'), 10), []);
    const path = join(folder, 'migrations.jsonl');
    writeFileSync(path, Array.from({ length: 1000 }, (_, i) => `${i}\n`).join(''));
    assert.deepEqual(readHistory(path, 10).length, 40);
    assert.equal(readHistory(path, 10).at(-1), '999');
    chmodSync(path, 0);
    if (process.getuid?.() !== 0) assert.throws(() => readHistory(path, 10));
    assert.throws(() => readHistory(folder, 10));
  });
});
