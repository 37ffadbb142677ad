import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withMacOrigin } from '../../bridge/io/mac-origin.ts';
import type { Link } from '../../bridge/ports.ts';
import { type Mac, parseMac } from '../../net/mac.ts';

const link = (name: string, more: Partial<Link> = {}): Link => ({ ifindex: 7, name, kind: 'tun', mac: parseMac('fe:54:00:aa:00:01') as Mac, up: true, carrier: true, ...more });

describe('where a tap\'s MAC comes from', () => {
  let sysfs: string;
  before(() => {
    sysfs = mkdtempSync(join(tmpdir(), 'landfall-sysfs-'));
    for (const [name, origin] of [['tap0', '1'], ['vnet0', '3']] as const) {
      mkdirSync(join(sysfs, name));
      writeFileSync(join(sysfs, name, 'addr_assign_type'), `${origin}\n`);
    }
  });
  after(() => rmSync(sysfs, { recursive: true, force: true }));

  const rows: [string, Link, true | undefined][] = [
    ['drawn by the kernel', link('tap0'), true],
    ['set by somebody', link('vnet0'), undefined],
    ['not to be read: counts as set', link('gone0'), undefined],
    ['no tap', link('tap0', { kind: 'veth' }), undefined],
    ['not like libvirt\'s', link('tap0', { mac: parseMac('02:54:00:aa:00:01') as Mac }), undefined],
    ['a name that is a path', link('../tap0'), undefined],
  ];
  for (const [name, given, expected] of rows) {
    it(name, () => {
      const one = withMacOrigin({ type: 'link', link: given }, sysfs);
      const all = withMacOrigin({ type: 'resync', links: [given], fdb: [], ownAddresses: [] }, sysfs);
      assert.equal(one.type === 'link' && one.link.randomMac, expected ?? undefined);
      assert.equal(all.type === 'resync' && all.links[0]?.randomMac, expected ?? undefined);
    });
  }
});
