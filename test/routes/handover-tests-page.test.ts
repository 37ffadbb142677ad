import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';

/** The rows of docs/handover-tests.md: file and test. */
const rows = readFileSync('docs/handover-tests.md', 'utf8').split('\n').flatMap((line) => {
  const [, file, name] = /^\| .* \| `(test\/[^`]+)` \| (.+) \|$/.exec(line) ?? [];
  return file === undefined || name === undefined ? [] : [{ file, name }];
});

describe('the page of tests that show the handover', () => {
  it('has rows for every section', () => assert.ok(rows.length > 80, `${rows.length}`));

  for (const { file, name } of rows) {
    it(`${file} has ${name}`, () => {
      assert.ok(existsSync(file), `${file} does not exist`);
      const text = readFileSync(file, 'utf8').replaceAll("\\'", "'");
      for (const part of name.split('…')) assert.ok(text.includes(part), `no test there is called ${name}`);
    });
  }
});
