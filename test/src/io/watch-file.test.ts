import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openConfigSource } from '../../../src/io/config-source.ts';
import { isMountedMap, watchFile, type WatchedFile } from '../../../src/io/watch-file.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !holds(); await pause(5)) if (Date.now() > end) assert.fail(`not within 10 s: ${what}`);
}

/** What Kubernetes does with a mounted ConfigMap: a new folder, and one rename that swaps `..data`. */
function swap(folder: string, version: number, files: Readonly<Record<string, string>>): void {
  const data = join(folder, `..v${version}`);
  mkdirSync(data);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(data, name), text);
  symlinkSync(`..v${version}`, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  for (const name of Object.keys(files)) {
    try {
      symlinkSync(join('..data', name), join(folder, name));
    } catch { /* there from the version before */ }
  }
}

describe('watched files', function () {
  this.timeout(30_000);
  let folder: string;
  let watched: WatchedFile | undefined;
  let changes = 0;
  const count = (): void => void (changes += 1);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-watch-'));
    changes = 0;
  });
  afterEach(() => {
    watched?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('tell of new content once, and of nothing else', async () => {
    const file = join(folder, 'bindings.yaml');
    writeFileSync(file, 'a');
    watched = watchFile(file, count, { settleMs: 30 });
    writeFileSync(file, 'b');
    writeFileSync(file, 'c');
    await until('c', () => changes === 1);
    writeFileSync(file, 'c');
    writeFileSync(join(folder, 'beside'), 'x');
    await pause(300);
    assert.equal(changes, 1);
    writeFileSync(join(folder, 'new'), 'd');
    renameSync(join(folder, 'new'), file);
    await until('replaced by a rename', () => changes === 2);
    rmSync(file);
    await until('removed', () => changes === 3);
  });

  it('tell of a swapped symlink beside them', async () => {
    swap(folder, 1, { 'bindings.yaml': 'a', 'landfall.yaml': 'x' });
    const file = join(folder, 'bindings.yaml');
    assert.equal(isMountedMap(file), true);
    watched = watchFile(file, count, { settleMs: 30 });
    swap(folder, 2, { 'bindings.yaml': 'a', 'landfall.yaml': 'y' });
    await pause(300);
    assert.equal(changes, 0, 'another file of the map has changed');
    swap(folder, 3, { 'bindings.yaml': 'b', 'landfall.yaml': 'y' });
    await until('the swap', () => changes === 1);
  });

  it('are found when their folder comes later', async () => {
    const file = join(folder, 'later', 'bindings.yaml');
    watched = watchFile(file, count, { settleMs: 10, lookAgainMs: 50 });
    mkdirSync(join(folder, 'later'));
    writeFileSync(file, 'a');
    await until('appeared', () => changes === 1);
  });

  it('of a configuration: the bindings alone are read anew, until the whole is', async () => {
    const file = join(folder, 'landfall.yaml');
    const bindings = join(folder, 'bindings.yaml');
    const yaml = (level: string): string => `apiVersion: landfall/v1
node: {name: hv-1}
bgp: {asn: 65010, routerId: 192.0.2.1, nextHop: {ipv6: "2001:db8::1"}, peers: [{name: tor, address: 192.0.2.254, asn: 65010}]}
watch: [{bridge: br0, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24]}]
identity: {bindingsFile: ${bindings}}
log: {level: ${level}}
`;
    const binding = (n: number): string => `- {vm: vm-${n}, mac: "52:54:00:aa:00:0${n}", ips: [203.0.113.1${n}]}\n`;
    writeFileSync(file, yaml('info'), { mode: 0o644 });
    writeFileSync(bindings, binding(1), { mode: 0o644 });
    const source = openConfigSource(file, { environment: {}, hostName: 'hv-1' });
    try {
      source.take(source.read(), { bindings: count, configuration: () => assert.fail('no ConfigMap') });
      writeFileSync(file, yaml('debug'));
      writeFileSync(bindings, binding(1) + binding(2));
      await until('the bindings', () => changes === 1);
      const read = source.readBindings();
      assert.deepEqual(read.errors, []);
      assert.equal(read.config?.log.level, 'info');
      assert.equal(read.config?.identity.bindings.length, 2);
      assert.equal(source.read().config?.log.level, 'debug');
      writeFileSync(bindings, 'nonsense');
      await until('the bad file', () => changes === 2);
      assert.equal(source.readBindings().config, undefined);
    } finally {
      source.close();
    }
  });
});
