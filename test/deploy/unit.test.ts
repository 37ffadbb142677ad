import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('../../deploy/landfall.service', import.meta.url));

/** The assignments of a unit file, `Section.Key` → values in order. */
function readUnit(text: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  let section = '';
  for (const line of text.split('\n')) {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section;
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined) values.set(`${section}.${key}`, [...(values.get(`${section}.${key}`) ?? []), value!]);
  }
  return values;
}

describe('deploy/landfall.service', () => {
  const unit = readUnit(readFileSync(file, 'utf8'));
  const one = (key: string): string => {
    const values = unit.get(key) ?? [];
    assert.equal(values.length, 1, `${key} stands ${values.length} times`);
    return values[0]!;
  };

  for (const [key, value] of [
    ['Unit.After', 'network-online.target'],
    ['Unit.Wants', 'network-online.target'],
    ['Service.Type', 'notify'],
    ['Service.NotifyAccess', 'main'],
    ['Service.Restart', 'always'],
    ['Service.RestartSec', '1s'],
    ['Service.WatchdogSec', '10s'],
    ['Unit.StartLimitIntervalSec', '0'],
    ['Service.AmbientCapabilities', 'CAP_NET_RAW'],
    ['Service.CapabilityBoundingSet', 'CAP_NET_RAW'],
    ['Service.NoNewPrivileges', 'yes'],
    ['Service.ProtectSystem', 'strict'],
    ['Service.PrivateDevices', 'yes'],
    ['Service.RestrictSUIDSGID', 'yes'],
    ['Service.RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET'],
  ] as const) {
    it(`${key} is ${value}`, () => assert.equal(one(key), value));
  }

  it('runs the installed program with the documented configuration, as a user of its own', () => {
    assert.equal(one('Service.ExecStart'), '/usr/bin/landfall run --config /etc/landfall/landfall.yaml');
    assert.notEqual(one('Service.User'), 'root');
  });

  it('starts before what starts guests', () => {
    for (const name of ['libvirtd.service', 'virtqemud.service', 'pve-guests.service', 'nova-compute.service']) assert.ok(one('Unit.Before').split(' ').includes(name), name);
  });

  it('leaves V8 its executable memory', () => assert.equal(unit.get('Service.MemoryDenyWriteExecute'), undefined));

  it('is graded below 2.0 by systemd-analyze security', function () {
    const { status, stdout, error } = spawnSync('systemd-analyze', ['security', '--offline=yes', '--no-pager', file], { encoding: 'utf8', timeout: 20_000 });
    if (error !== undefined) this.skip(); // systemd is not installed
    assert.equal(status, 0, stdout);
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    assert.ok(exposure < 2, `exposure ${exposure}`);
  });
});
