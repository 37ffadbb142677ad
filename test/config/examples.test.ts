import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'mocha';
import { formatErrors } from '../../config/errors.ts';
import { makeJsonSchema } from '../../config/json-schema.ts';
import { makeReference } from '../../config/reference.ts';
import { rootKeys } from '../../config/schema.ts';
import { fileOf, parse, valid } from './fixtures.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

describe('config: examples', () => {
  for (const name of readdirSync(new URL('examples/', root)).filter((file) => file.endsWith('.yaml') && file !== 'bindings.yaml')) {
    it(`${name} passes without a warning`, () => {
      const { config, errors, warnings } = parse(read(`examples/${name}`), { file: name, environment: { NODE_IPV6: '2001:db8::17' } });
      assert.equal(formatErrors([...errors, ...warnings]), '');
      assert.ok(config !== undefined);
    });
  }

  it('bindings.yaml is a bindings file', () => {
    const config = valid(fileOf({ identity: '{bindingsFile: /etc/landfall/bindings.yaml}' }), { bindingsText: read('examples/bindings.yaml') });
    assert.equal(config.identity.bindings.length, 4);
  });

  it('fleet.yaml gives each rack its own', () => {
    const on = (RACK: string) => valid(read('examples/fleet.yaml'), { environment: { RACK, NODE_NAME: 'n', NODE_IPV6: '' } });
    assert.deepEqual(['r1', 'r2'].map((rack) => on(rack).bgp.peers.map(({ name, timers }) => `${name} ${timers.holdSeconds}s`)), [['r1-tor-a 9s', 'r1-tor-b 9s'], ['r2-tor-a 30s', 'r2-tor-b 30s']]);
    assert.deepEqual([on('r1').watch[0]?.bridge, on('r2').watch[0]?.bridge, on('r1').bgp.nextHop], ['br-vlan', 'br0', {}]);
  });

  it('the shortest one of the documentation passes without a warning', () => {
    const text = /```yaml\n([\s\S]*?)```/.exec(makeReference())?.[1] ?? '';
    assert.equal(formatErrors([...parse(text).errors, ...parse(text).warnings]), '');
  });

  it('the ConfigMap of the DaemonSet passes', () => {
    const text = read('deploy/kustomize/base/landfall.yaml');
    assert.equal(formatErrors(parse(text, { environment: { NODE_NAME: 'n1', NODE_IP: '192.0.2.17' } }).errors), '');
  });
});

describe('config: generated pages', () => {
  it('docs/configuration.md is current (npm run docs)', () => assert.equal(read('docs/configuration.md'), makeReference()));
  it('docs/landfall.schema.json is current (npm run docs)', () => assert.deepEqual(JSON.parse(read('docs/landfall.schema.json')), makeJsonSchema()));

  it('the reference has a row for every key', () => {
    const reference = makeReference();
    const missing: string[] = [];
    const visit = (path: string, keys: typeof rootKeys): void => {
      if (path === 'overrides') return;
      if (keys.kind === 'list' && keys.item.kind === 'map') visit(`${path}[]`, keys.item);
      else if (keys.kind === 'map') for (const [key, inner] of keys.keys) visit(path === '' ? key : `${path}.${key}`, inner);
      else if (!reference.includes(`| \`${path}\` |`)) missing.push(path);
    };
    visit('', rootKeys);
    assert.deepEqual(missing, []);
  });

  it('the JSON Schema lets nothing unknown in, and variables wherever a single value is', () => {
    const schema = makeJsonSchema() as { additionalProperties: boolean; properties: Record<string, { additionalProperties: boolean; properties: Record<string, { anyOf?: unknown[] }> }> };
    assert.equal(schema.additionalProperties, false);
    assert.equal(schema.properties['bgp']?.additionalProperties, false);
    assert.deepEqual(schema.properties['bgp']?.properties['asn']?.anyOf, [{ type: 'integer', minimum: 1, maximum: 4_294_967_294 }, { $ref: '#/$defs/variable' }]);
  });
});
