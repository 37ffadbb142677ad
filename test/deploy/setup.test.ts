import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const scripts = new URL('../../scripts/', import.meta.url);
const { takeLock } = (await import(new URL('setup/lock.mjs', scripts).href)) as { takeLock: (file: string, say: (text: string) => void) => () => void };
const { hashOf, readStamp, writeStamp } = (await import(new URL('setup/stamp.mjs', scripts).href)) as {
  hashOf: (root: string, paths: string[], keep?: (file: string) => boolean) => string;
  readStamp: (file: string) => Record<string, string>;
  writeStamp: (file: string, stamp: Record<string, string>) => void;
};
const { runCommand } = (await import(new URL('setup/command.mjs', scripts).href)) as {
  runCommand: (file: string, args: string[], options: { seconds: number }) => Promise<{ ok: boolean; reason: string; output: string }>;
};

describe('scripts/setup', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'setup-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('takes a lock that a dead process left, and gives it back', () => {
    const file = join(folder, 'lock');
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    writeFileSync(file, String(dead));
    const release = takeLock(file, () => assert.fail('it waited'));
    assert.equal(readFileSync(file, 'utf8'), String(process.pid));
    release();
    assert.equal(existsSync(file), false);
  });

  it('sees every change of content and name below a folder', () => {
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'a/b/x.ts'), '1');
    writeFileSync(join(folder, 'a/y.md'), '1');
    const seen = new Set<string>();
    const look = (): void => void seen.add(hashOf(folder, ['a', 'missing'], (file) => file.endsWith('.ts')));
    look();
    writeFileSync(join(folder, 'a/y.md'), 'not asked for');
    look();
    assert.equal(seen.size, 1);
    writeFileSync(join(folder, 'a/b/x.ts'), '2');
    look();
    writeFileSync(join(folder, 'a/z.ts'), '');
    look();
    rmSync(join(folder, 'a/b/x.ts'));
    look();
    assert.equal(seen.size, 4);
  });

  it('starts anew when the stamp is missing or damaged', () => {
    const file = join(folder, 'stamp');
    assert.deepEqual(readStamp(file), {});
    writeFileSync(file, '{"npm": "1"');
    assert.deepEqual(readStamp(file), {});
    writeStamp(file, { npm: '2' });
    assert.deepEqual(readStamp(file), { npm: '2' });
  });

  it('stops a command at its time limit, with what that command had started', async () => {
    const result = await runCommand('sh', ['-c', 'echo began; sleep 60 & sleep 60'], { seconds: 0.2 });
    assert.equal(result.ok, false);
    assert.match(result.reason, /did not end within 0\.2 s/);
    assert.equal(result.output, 'began');
  });

  it('says what is wrong with its arguments', () => {
    const { status, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('setup.mjs', scripts)), '--for', 'fun'], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.equal(stderr, 'setup: usage: node scripts/setup.mjs --for demo|qemu|test|netns|build|bench\n');
  });
});
