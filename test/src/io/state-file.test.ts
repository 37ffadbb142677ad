import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keepStateFile, readStateFile, setAside, type StateFile } from '../../../src/io/state-file.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1500, 'it never came');
    await pause(10);
  }
}

describe('the state file', function () {
  this.timeout(20_000);
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-state-'));
    path = join(folder, 'state.json');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const keep = (content: (final: boolean) => Iterable<string>, at = path): { file: StateFile; errors: string[]; recovered: () => number } => {
    const errors: string[] = [];
    let recovered = 0;
    return { file: keepStateFile({ path: at, content, onError: (error) => errors.push(error), onRecovered: () => recovered++ }), errors, recovered: () => recovered };
  };

  it('is written behind the work, once for many changes, whole and for its owner alone', async () => {
    let writes = 0;
    const { file } = keep(function* () { writes += 1; for (let i = 0; i < 2000; i++) yield `${i}\n`; });
    for (let i = 0; i < 100; i++) file.changed();
    assert.equal(writes, 0);
    await until(() => existsSync(path));
    file.close();
    assert.equal(writes, 1);
    assert.equal(readFileSync(path, 'utf8').split('\n').length, 2001);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(existsSync(`${path}.new`), false);
    assert.deepEqual(readStateFile(path), { text: readFileSync(path, 'utf8') });
  });

  it('is replaced as a whole: a reader finds one state or the next', async () => {
    let generation = 0;
    const { file } = keep(function* () { const mine = generation; for (let i = 0; i < 3000; i++) yield `${mine}\n`; });
    const seen = new Set<string>();
    await until(() => {
      generation += 1;
      file.changed();
      if (existsSync(path)) {
        const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
        assert.equal(lines.length, 3000);
        assert.equal(new Set(lines).size, 1);
        seen.add(lines[0] as string);
      }
      return seen.size > 2;
    });
    file.close();
  });

  it('has the last word of a stop in good order, before it returns', async () => {
    const { file } = keep((final) => [final ? 'final' : 'running']);
    file.changed();
    file.saveFinal();
    assert.equal(readFileSync(path, 'utf8'), 'final');
    await pause(150);
    assert.equal(readFileSync(path, 'utf8'), 'final');
  });

  it('that can\'t be written is told of once', async () => {
    const { file, errors } = keep(() => ['x'], join(folder, 'not', 'there.json'));
    file.changed();
    await until(() => errors.length > 0);
    file.changed();
    await pause(120);
    file.saveFinal();
    assert.deepEqual(errors, ['ENOENT']);
  });

  it('is not read where others could have written it, or where it is no file', () => {
    writeFileSync(path, '{}', { mode: 0o600 });
    assert.deepEqual(readStateFile(path), { text: '{}' });
    for (const mode of [0o620, 0o602, 0o666]) {
      chmodSync(path, mode);
      assert.match((readStateFile(path) as { problem: string }).problem, /others can write/);
    }
    chmodSync(path, 0o600);
    symlinkSync(path, join(folder, 'link'));
    assert.deepEqual(readStateFile(join(folder, 'link')), { problem: 'it is a symbolic link' });
    assert.deepEqual(readStateFile(folder), { problem: 'it is no regular file' });
    assert.deepEqual(readStateFile(join(folder, 'none')), { missing: true });
    assert.deepEqual(readStateFile(join(path, 'none')), { missing: true });
  });

  it('of no use is moved aside', () => {
    writeFileSync(path, 'old');
    assert.equal(setAside(path), `${path}.bad`);
    assert.equal(readFileSync(`${path}.bad`, 'utf8'), 'old');
    assert.equal(setAside(path), undefined);
  });
});
