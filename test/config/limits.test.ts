import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { maxErrors } from '../../config/errors.ts';
import { type Tree, child } from '../../config/tree.ts';
import { readYaml, yamlLimits } from '../../config/yaml-text.ts';
import type { ConfigError } from '../../config/errors.ts';
import { fileOf, parse, valid } from './fixtures.ts';

const { size, tokens, depth, values, aliases } = yamlLimits;

/** Values in a tree, and how deep it is; what a limit has let through. */
function measure(tree: Tree | undefined): { count: number; depth: number } {
  if (tree === undefined) return { count: 0, depth: 0 };
  const inner = tree.kind === 'list' ? tree.items : tree.kind === 'map' ? [...tree.entries.values()].map(({ value }) => value) : [];
  const measured = inner.map(measure);
  return { count: measured.reduce((sum, { count }) => sum + count, 1), depth: measured.reduce((most, { depth: d }) => Math.max(most, d + 1), 0) };
}

function read(text: string): { tree: Tree | undefined; errors: ConfigError[] } {
  const errors: ConfigError[] = [];
  return { tree: readYaml({ text, file: undefined }, errors), errors };
}

describe('config: texts that mean harm', () => {
  const doubling = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghij'.split('').map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[i]}`).join(',')}]`).join('\n')}\n`;
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['a megabyte of [', '['.repeat(size), /nested more than 32 deep/],
    ['a megabyte of {', '{'.repeat(size), /nested more than 32 deep/],
    ['a megabyte of "- "', '- '.repeat(size / 2), /nested more than 32 deep/],
    ['a megabyte of "? "', '? '.repeat(size / 2), /nested more than 32 deep/],
    ['nested by indentation', Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /nested more than 32 deep/],
    ['more than a megabyte', 'a'.repeat(size + 1), /larger than 1048576/],
    ['too many words', `[${'1,'.repeat(tokens / 2)}]`, /more than 400000 words/],
    ['aliases that double', doubling, /aliases/],
    ['an alias a thousand times', `a: &a x\nb: [${'*a,'.repeat(aliases + 1)}]`, /anchors and aliases/],
    ['few aliases of much', `a: &a [${'x,'.repeat(2000)}]\nb: [${'*a,'.repeat(200)}]`, /more than 200000 values/],
    ['an alias of what holds it', 'a: &a [*a]', /no anchor &a/],
    ['many documents', '---\n'.repeat(1000), /second document/],
    ['brackets that close nothing', '}'.repeat(size), /closes nothing/],
    ['a key of 300 characters', `${'k'.repeat(300)}: 1`, /more than 256 characters/],
  ];
  for (const [name, text, expected] of cases) {
    it(name, () => {
      const { tree, errors } = read(text);
      const { count, depth: deepest } = measure(tree);
      assert.ok(count <= values && deepest <= depth + 1, `${count} values, ${deepest} deep`);
      assert.match(errors.map(({ message }) => message).join('\n'), expected);
      assert.ok(errors.length <= maxErrors, `${errors.length} errors`);
    });
  }

  const noisy: readonly (readonly [string, string])[] = [
    ['wrong escapes', `a: "${'\\x'.repeat(200_000)}"`], ['stray commas', `[${','.repeat(50_000)}]`], ['unknown keys', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n')],
    ['doubled keys', 'a: 1\n'.repeat(20_000)],
  ];
  for (const [name, text] of noisy) {
    it(`${name} without end give ${maxErrors} errors`, () => {
      const { errors } = parse(text);
      assert.ok(errors.length > 0 && errors.length <= maxErrors);
    });
  }

  it('the last of too many errors says how many were left out', () => {
    const { errors } = parse(fileOf() + Array.from({ length: 150 }, (_, i) => `k${i}: 1\n`).join(''));
    assert.equal(errors.length, maxErrors);
    assert.equal(errors.at(-1)?.message, 'and 51 more');
  });

  for (const key of ['__proto__', 'constructor', 'prototype']) {
    it(`${key} is no key, quoted or not, at any depth`, () => {
      for (const text of [`${key}: {polluted: 1}`, `"${key}": {polluted: 1}`, `a: {b: {${key}: {polluted: 1}}}`, `a: [{"${key}": 1}]`]) {
        assert.match(read(text).errors.map(({ message }) => message).join(), /no key of any configuration/, text);
      }
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    });
  }

  it('words that objects inherit are unknown keys like others', () => {
    for (const key of ['toString', 'hasOwnProperty', 'valueOf']) assert.match(parse(`${fileOf()}${key}: 1\n`).errors[0]?.message ?? '', /unknown key/);
  });
});

describe('config: large files that mean well', () => {
  it('3,000 bindings fit', () => {
    const list = Array.from({ length: 3000 }, (_, i) => `    - {vm: shop/web-${i}, mac: "52:54:00:aa:${(i >> 8).toString(16)}:${(i & 255).toString(16)}", vlan: 100, ips: [10.1.${i >> 8}.${i & 255}, "2001:db8::${i.toString(16)}"]}`);
    const text = fileOf({ watch: '[{bridge: b, ports: {local: [a]}, prefixes: [10.1.0.0/16, "2001:db8::/64"]}]', identity: `\n  bindings:\n${list.join('\n')}` });
    assert.equal(valid(text).identity.bindings.length, 3000);
  }).timeout(30_000);

  it('many keys in one line fit', () => {
    const list = Array.from({ length: 100 }, (_, i) => `{vm: v${i}, mac: "52:54:00:aa:01:${i.toString(16)}", ips: [203.0.113.${i + 1}]}`).join(', ');
    assert.equal(valid(fileOf({ identity: `{bindings: [${list}]}` })).identity.bindings.length, 100);
  });
});

describe('config: places', () => {
  it('line and column are those of the value, from 1', () => {
    const { tree } = read('a:\n  b: [x, "y"]\n');
    const list = child(child(tree, 'a'), 'b');
    assert.deepEqual([list?.at.line, list?.at.column, child(list, 1)?.at.column, child(list, 1)?.path], [2, 6, 10, 'a.b[1]']);
  });
  it('lines may end in CR LF', () => assert.deepEqual(parse(fileOf().replaceAll('\n', '\r\n')).errors, []));
  it('a byte order mark is no part of the first key', () => assert.deepEqual(parse(`\ufeff${fileOf()}`).errors, []));
});
