import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { parseConfig } from '../../config/parse.ts';
import { durationText, renderConfig } from '../../config/render.ts';
import { toYaml } from '../../config/yaml-text.ts';

const examples = readdirSync('examples').filter((name) => name.endsWith('.yaml') && name !== 'bindings.yaml');

describe('the rendered configuration', () => {
  for (const name of examples) {
    it(`of ${name} gives the same configuration when it is read again`, () => {
      const options = { environment: { NODE_NAME: 'hv-1', NODE_IP: '192.0.2.17' }, hostName: 'hv-1' };
      const given = readFileSync(`examples/${name}`, 'utf8');
      const bindings = given.includes('bindingsFile') ? { bindingsText: readFileSync('examples/bindings.yaml', 'utf8') } : {};
      const { config: first, errors } = parseConfig(given, { ...options, ...bindings });
      assert.deepEqual(errors, []);
      assert.ok(first !== undefined);
      const text = toYaml(renderConfig(first));
      const second = parseConfig(text, options);
      assert.deepEqual(second.errors, []);
      // Where a binding was written is not part of what it says.
      const { bindingsFile: _file, ...identity } = first.identity;
      const bindingsHere = identity.bindings.map((binding) => ({ ...binding, origin: 'config' as const }));
      assert.deepEqual(second.config, { ...first, identity: { ...identity, bindings: bindingsHere } });
    });
  }

  it('says where the state is kept, and is read again as the same', () => {
    const options = { environment: {}, hostName: 'hv-1' };
    const given = `${readFileSync('examples/single-rack-ibgp.yaml', 'utf8')}\nstate: {file: /srv/landfall/state.json}\n`;
    const { config: first } = parseConfig(given, options);
    assert.ok(first !== undefined);
    assert.deepEqual(renderConfig(first).state, { file: '/srv/landfall/state.json' });
    assert.deepEqual(parseConfig(toYaml(renderConfig(first)), options).config?.state, first.state);
  });
});

describe('a duration', () => {
  for (const [ms, text] of [[0, '0s'], [250, '250ms'], [1500, '1500ms'], [3000, '3s'], [90_000, '90s'], [120_000, '2m'], [86_400_000, '24h']] as const) {
    it(`${ms} ms is ${text}`, () => assert.equal(durationText(ms), text));
  }
});
