import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setSwitch } from '../../../forward/io/switches.ts';

describe('a switch of the kernel', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-switch-'));
  const file = join(folder, 'rp_filter');
  after(() => rmSync(folder, { recursive: true }));

  it('that has the value already is not written, so that a read-only folder is no trouble', () => {
    writeFileSync(file, '2\n');
    assert.equal(setSwitch(file, '2'), '2');
    assert.equal(readFileSync(file, 'utf8'), '2\n');
  });

  it('that has another is written, and what it was is known', () => {
    writeFileSync(file, '0\n');
    assert.equal(setSwitch(file, '2'), '0');
    assert.equal(readFileSync(file, 'utf8'), '2');
  });
});
