import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { formatErrors, maxErrors } from '../../config/errors.ts';
import { toYaml } from '../../config/yaml-text.ts';
import { formatDuration, parseDuration, parseVlans } from '../../config/values.ts';
import { base, fileOf, parse, valid } from './fixtures.ts';

// `FUZZ_RUNS=20000 npx mocha test/config/property.test.ts` looks longer.
const runs = Number(process.env['FUZZ_RUNS'] ?? 120);

/** Either a configuration or errors, and the errors fit to be printed. */
function holds(text: string): void {
  const { config, errors } = parse(text, { bindingsText: text });
  assert.equal(config === undefined, errors.length > 0);
  assert.ok(errors.length <= maxErrors);
  assert.ok(/^[\x20-\x7e\n]*$/.test(formatErrors(errors)));
  assert.ok(errors.every(({ line, column }) => line >= 1 && column >= 1));
}

const yamlSigns = fc.string({ unit: fc.constantFrom('[', ']', '{', '}', ':', ' ', '\n', '-', '?', '"', "'", '&a', '*a', '!', '|', '>', '#', ',', '%', '@', '`', '\t', '${', '}', 'a', '1', '~', '<<', '---', '...', '\\', '\0', '\u2028'), maxLength: 60 });

describe('config: any text', () => {
  it('gives a configuration or errors, never an exception', () => fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), yamlSigns), holds), { numRuns: runs }));

  it('also a valid file with something wrong in it', () => {
    const text = fileOf({ routes: '{profile: window}', overrides: '[{nodeSelector: {rack: r2}, bgp: {asn: 65020}}]', node: '{labels: {rack: r2}}' });
    fc.assert(fc.property(fc.nat(text.length), fc.nat(12), yamlSigns, (at, gone, put) => holds(text.slice(0, at) + put + text.slice(at + gone))), { numRuns: runs });
  });

  it('any value under any key is named or accepted', () => {
    const sections = fc.dictionary(fc.constantFrom('node', 'bgp', 'watch', 'routes', 'migration', 'identity', 'telemetry', 'log', 'api', 'overrides', 'gate', 'kernel', 'x'), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(fc.property(sections, (value) => holds(`apiVersion: landfall/v1\n${toYaml(value)}`)), { numRuns: runs });
  });
});

describe('config: values', () => {
  it('durations survive being written', () => fc.assert(fc.property(fc.nat(1_000_000_000), (ms) => {
    assert.deepEqual(parseDuration(formatDuration(ms)), { value: ms });
  })));

  it('VLAN ranges', () => fc.assert(fc.property(fc.nat(4094), fc.nat(4094), (a, b) => {
    assert.deepEqual(parseVlans(`${a}-${b}`), a <= b ? { value: [a, b] } : { error: `a range runs upwards: "${b}-${a}"` });
  })));

  it('what toYaml writes reads the same', () => {
    const label = fc.stringMatching(/^[\x21-\x7e]{1,40}$/).filter((text) => !text.includes('${') && !['__proto__', 'constructor', 'prototype'].includes(text));
    fc.assert(fc.property(fc.dictionary(label, label), (labels) => {
      const text = `apiVersion: landfall/v1\n${Object.entries(base).map(([key, value]) => `${key}: ${value}\n`).join('')}${toYaml({ node: { labels } })}`;
      assert.deepEqual(valid(text).node.labels, { ...labels });
    }), { numRuns: runs });
  });
});
