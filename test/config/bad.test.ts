import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { formatErrors } from '../../config/errors.ts';
import { parseConfig } from '../../config/parse.ts';

// Each `bad/NAME.yaml` has all its error lines, exactly, in `bad/NAME.txt`. UPDATE_GOLDEN=1 writes them anew; read the difference.
const folder = new URL('bad/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -5));

describe('config: bad files', () => {
  it('there are at least forty', () => assert.ok(names.length >= 40));

  for (const name of names) {
    it(name, () => {
      const text = readFileSync(new URL(`${name}.yaml`, folder), 'utf8');
      const { config, errors } = parseConfig(text, { file: `${name}.yaml`, environment: { NOT_A_NUMBER: 'seven' }, hostName: 'hv-01' });
      const lines = `${formatErrors(errors)}\n`;
      const expected = new URL(`${name}.txt`, folder);
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(expected, lines);
      assert.equal(config, undefined);
      assert.equal(existsSync(expected) ? readFileSync(expected, 'utf8') : '', lines);
      assert.ok(errors.every((error) => error.line >= 1 && error.column >= 1), 'every error has a place');
      assert.ok(/^[\x20-\x7e\n]*$/.test(lines), 'only printable characters');
    });
  }

  it('no prototype is changed', () => assert.equal(({} as { polluted?: unknown }).polluted, undefined));

  it('no error repeats a password', () => {
    for (const name of names) assert.ok(!readFileSync(new URL(`${name}.txt`, folder), 'utf8').includes('hunter2'), name);
  });
});
