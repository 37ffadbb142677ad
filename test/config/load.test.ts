import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { formatErrors } from '../../config/errors.ts';
import { type LoadResult, loadConfig } from '../../config/io/load.ts';
import { fileOf } from './fixtures.ts';

describe('config: files', () => {
  let folder = '';
  before(() => { folder = mkdtempSync(join(tmpdir(), 'landfall-config-')); });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string | Uint8Array, mode = 0o644): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  };
  const load = (file: string, environment: Readonly<Record<string, string>> = {}): LoadResult => loadConfig(file, { environment });
  const refused = (file: string, expected: RegExp): void => {
    const { config, errors } = load(file);
    assert.equal(config, undefined);
    assert.match(formatErrors(errors), expected);
    assert.ok(errors.every((error) => error.file === file));
  };
  const withKey = (source: string): string => fileOf({ bgp: `{asn: 65010, peers: [{name: tor-a, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast], password: ${source}}]}` });

  it('a good one', () => {
    const { config, errors } = load(write('good.yaml', fileOf()));
    assert.deepEqual(errors, []);
    assert.equal(config?.node.name, hostname());
    for (const [NODE_NAME, name] of [['hv-07', 'hv-07'], ['', hostname()], ['no name', hostname()]] as const) {
      assert.equal(load(join(folder, 'good.yaml'), { NODE_NAME }).config?.node.name, name);
      assert.equal(load(write('named.yaml', fileOf({ node: '{name: own}' })), { NODE_NAME }).config?.node.name, 'own');
    }
  });

  it('one that is not there', () => refused(join(folder, 'nothing.yaml'), /nothing\.yaml {2}does not exist/));
  it('a folder', () => refused(folder, /is not a regular file|is a folder/));
  it('one that everybody can write', () => refused(write('open.yaml', fileOf(), 0o666), /can be written by everybody/));
  it('one that is too large', () => refused(write('large.yaml', Buffer.alloc((1 << 20) + 1, '#')), /larger than 1048576/));
  it('one that is no text', () => refused(write('binary.yaml', Uint8Array.of(0x61, 0xff, 0xfe)), /not UTF-8/));
  it('a device', () => refused('/dev/zero', /not a regular file/));
  it('a named pipe, without waiting for a writer', () => {
    const pipe = join(folder, 'pipe.yaml');
    execFileSync('mkfifo', [pipe]);
    refused(pipe, /not a regular file/);
  });
  it('links that go round', () => {
    const loop = join(folder, 'loop.yaml');
    symlinkSync(loop, loop);
    refused(loop, /too many symbolic links/);
  });
  it('a link to a good one, as in a mounted ConfigMap', () => {
    const file = write('target.yaml', fileOf());
    symlinkSync(file, join(folder, 'link.yaml'));
    assert.deepEqual(load(join(folder, 'link.yaml')).errors, []);
  });

  describe('keys', () => {
    for (const mode of [0o640, 0o604, 0o644, 0o620, 0o602]) {
      it(`a key file of mode 0${mode.toString(8)} is refused, with the place that names it`, () => {
        const key = write('key', 'hunter2-never-shown\n', mode);
        const { config, errors } = load(write('c.yaml', withKey(`{file: ${key}}`)));
        assert.equal(config, undefined);
        assert.match(formatErrors(errors), /c\.yaml:2:\d+ {2}bgp\.peers\[0\]\.password {2}others than its owner can read or write/);
        assert.ok(!formatErrors(errors).includes('hunter2'));
      });
    }
    for (const mode of [0o600, 0o400]) {
      it(`mode 0${mode.toString(8)} is right`, () => {
        const { config, warnings } = load(write('c.yaml', withKey(`{file: ${write(`key${mode}`, 'k\n', mode)}}`)));
        assert.ok(config !== undefined);
        assert.deepEqual(warnings, []);
      });
    }
    it('one that is not there is a warning: a session without key does not come up anyway', () => {
      const { config, warnings } = load(write('c.yaml', withKey(`{file: ${join(folder, 'no-key')}}`)));
      assert.ok(config !== undefined);
      assert.match(formatErrors(warnings), /no-key does not exist: no session with tor-a/);
    });
    it('a variable that is not set is a warning, one that is set is none', () => {
      const file = write('c.yaml', withKey('{env: BGP_KEY}'));
      assert.match(formatErrors(load(file).warnings), /the variable BGP_KEY is not set/);
      const { config, warnings } = load(file, { BGP_KEY: 'hunter2-never-shown' });
      assert.deepEqual(warnings, []);
      assert.ok(!JSON.stringify(config).includes('hunter2'));
    });
    it('keys of peers on other nodes are not looked at', () => {
      const key = write('others-key', 'k\n', 0o644);
      const text = fileOf({ bgp: `{asn: 65010, peers: [{name: a, address: 192.0.2.1, asn: 65010, nodeSelector: {rack: r9}, password: {file: ${key}}}]}` });
      assert.deepEqual(load(write('c.yaml', text)).errors, []);
    });
  });

  describe('bindings file', () => {
    const config = (file: string): string => write('b.yaml', fileOf({ identity: `{bindingsFile: ${file}}` }));
    it('is read', () => {
      const file = write('bindings.yaml', '- {vm: a, mac: "52:54:00:aa:00:01", ips: [203.0.113.11]}\n');
      assert.deepEqual(load(config(file)).config?.identity.bindings.map(({ vm, origin }) => [vm, origin]), [['a', 'file']]);
    });
    it('is refused where it is not there, open to all, or wrong', () => {
      mkdirSync(join(folder, 'sub'), { recursive: true });
      assert.match(formatErrors(load(config(join(folder, 'sub/none.yaml'))).errors), /none\.yaml {2}identity\.bindingsFile {2}does not exist/);
      assert.match(formatErrors(load(config(write('open-b.yaml', '[]', 0o666))).errors), /open-b\.yaml .*written by everybody/);
      assert.match(formatErrors(load(config(write('bad-b.yaml', '- {vm: a, mac: x, ips: []}\n'))).errors), /bad-b\.yaml:1:16 {2}\[0\]\.mac {2}"x" is no MAC/);
    });
    it('its errors come together with those of the configuration', () => {
      const file = write('bad-c.yaml', '- {vm: a, mac: x, ips: [203.0.113.1]}\n');
      const { errors } = load(write('d.yaml', `${fileOf({ identity: `{bindingsFile: ${file}}` })}logg: {}\n`));
      assert.deepEqual(errors.map(({ path }) => path), ['logg', '[0].mac']);
    });
  });
});
