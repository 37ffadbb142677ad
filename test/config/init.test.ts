import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import type { HostFacts, Platform } from '../../config/host-facts.ts';
import { inspectHost } from '../../config/io/host.ts';
import { makeStarter } from '../../config/starter.ts';
import { configCheck, configInit, configSchema } from '../../src/commands/config.ts';
import { parseConfig } from '../../config/parse.ts';
import { fileOf, valid } from './fixtures.ts';

const platforms: readonly Platform[] = ['kubevirt', 'libvirt', 'proxmox'];
const bare: HostFacts = { hostName: 'hv-01', platform: undefined, bridges: [], addresses: [], gateway: undefined, speakers: [], guests: [], openVswitchPorts: [] };
const full: HostFacts = {
  hostName: 'hv-01', platform: 'libvirt', speakers: ['bird'], openVswitchPorts: [],
  bridges: [
    { name: 'virbr0', vlanFiltering: false, ports: [] },
    { name: 'br-vlan', vlanFiltering: true, ports: [{ name: 'bond0', kind: 'fabric' }, { name: 'vnet3', kind: 'guest' }, { name: 'qvo17', kind: 'guest' }, { name: 'odd', kind: 'other' }] },
  ],
  addresses: [
    { interface: 'br-vlan', address: '203.0.113.17', cidr: '203.0.113.17/24' }, { interface: 'br-vlan', address: '2001:db8:100::17', cidr: '2001:db8:100::17/64' },
    { interface: 'eth0', address: '192.0.2.17', cidr: '192.0.2.17/24' }, { interface: 'eth0', address: '2001:db8::17', cidr: '2001:db8::17/64' },
  ],
  gateway: { address: '192.0.2.1', interface: 'eth0' },
  guests: [{ name: 'web 1', mac: '52:54:00:AA:00:01', bridge: 'br-vlan' }],
};

describe('config init: the file', () => {
  for (const platform of platforms) {
    for (const [name, facts] of [['a bare host', bare], ['a host with everything', full]] as const) {
      it(`passes the check: ${platform} on ${name}`, () => assert.ok(valid(makeStarter(facts, platform)).watch.length > 0));
    }
  }

  it('has what was found, and CHANGE where nothing could be', () => {
    const text = makeStarter(full);
    const config = valid(text);
    assert.deepEqual(config.watch, [{
      bridge: 'br-vlan', ports: { local: ['vnet*', 'tap*', 'qvo*'], uplink: ['bond0'] }, announcements: ['garp', 'rarp', 'na'], vrf: 'default',
      prefixes: ['203.0.113.0/24', '2001:db8:100::/64'], exclude: ['203.0.113.17', '2001:db8:100::17'],
    }]);
    assert.deepEqual([config.bgp.peers[0]?.address, config.bgp.peers[0]?.nextHop], ['192.0.2.1', { ipv6: '2001:db8::17' }]);
    assert.match(text, /bird runs here/);
    assert.match(text, /# {3}- \{vm: "web-1", mac: "52:54:00:aa:00:01", ips: \[CHANGE\]\}/);
    assert.match(text, /asn: 65010 {3}# CHANGE/);
    assert.match(makeStarter(bare), /br-vlan {3}# CHANGE: no bridge was found/);
  });

  it('takes the platform that was found where none is asked for', () => {
    assert.deepEqual(valid(makeStarter({ ...bare, platform: 'proxmox' })).watch[0]?.ports.local, ['tap*', 'veth*', 'fwpr*']);
    assert.equal(valid(makeStarter({ ...full, platform: 'kubevirt' })).identity.mode, 'learn');
  });

  it("looks past Proxmox's firewall bridges, to the port on the real one", () => {
    const text = makeStarter({
      ...bare, platform: 'proxmox',
      bridges: [
        { name: 'fwbr101i0', vlanFiltering: false, ports: [{ name: 'tap101i0', kind: 'guest' }, { name: 'fwln101i0', kind: 'guest' }] },
        { name: 'vmbr0', vlanFiltering: true, ports: [{ name: 'eno1', kind: 'fabric' }, { name: 'fwpr101p0', kind: 'guest' }] },
      ],
    });
    assert.deepEqual(valid(text).watch.map(({ bridge, ports }) => ({ bridge, ...ports })), [{ bridge: 'vmbr0', local: ['tap*', 'veth*', 'fwpr*'], uplink: ['eno1'] }]);
    assert.match(text, /# Left out: fwbr101i0 \(Proxmox's firewall/);
  });

  it("takes KubeVirt's secondary network, not the pods' bridge", () => {
    const veth = { name: 'veth1a2b3c4d', kind: 'guest' } as const;
    const text = makeStarter({ ...bare, platform: 'kubevirt', bridges: [{ name: 'cni0', vlanFiltering: false, ports: [veth] }, { name: 'br-vlan', vlanFiltering: false, ports: [veth, { name: 'bond0', kind: 'fabric' }] }] });
    assert.deepEqual(valid(text).watch.map(({ bridge, ports }) => ({ bridge, ...ports })), [{ bridge: 'br-vlan', local: ['veth*'], uplink: ['bond0'] }]);
  });

  it('hears what the components of the Kubernetes manifests set, which the probes rely on', () => {
    const environment = { NODE_NAME: 'hv-07', TELEMETRY_LISTEN: '192.0.2.17:17479', KERNEL_ROUTES: 'received', KUBERNETES_ENABLED: 'true' };
    const { config, errors } = parseConfig(makeStarter(bare, 'kubevirt'), { environment, hostName: 'x' });
    assert.deepEqual(errors, []);
    assert.deepEqual([config?.telemetry.listen, config?.kernel.routes, config?.kubernetes.enabled, config?.api.mode], [{ address: '192.0.2.17', port: 17479 }, 'received', true, valid(makeStarter(bare, 'kubevirt')).api.mode]);
    assert.equal(valid(makeStarter(bare, 'kubevirt')).kubernetes.enabled, false);
  });

  it('refuses Open vSwitch by name, with the reason', () => {
    const text = makeStarter({ ...bare, openVswitchPorts: ['tap7', 'eno1'] });
    assert.match(text, /NOT SUPPORTED: Open vSwitch has 2 ports here \(tap7 eno1\)/);
    valid(text);
  });

  it('passes the check whatever a host calls its things', () => {
    const word = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('"', "'", 'a"]}\n', '# x', '${X}', '[', 'vnet1', 'a: b', '*a', '\x1b[31m'));
    const port = fc.record({ name: word, kind: fc.constantFrom('guest', 'fabric', 'other') });
    const facts = fc.record({
      openVswitchPorts: fc.array(word, { maxLength: 2 }),
      hostName: word, platform: fc.constant(undefined), speakers: fc.array(word, { maxLength: 2 }),
      bridges: fc.array(fc.record({ name: word, vlanFiltering: fc.boolean(), ports: fc.array(port, { maxLength: 3 }) }), { maxLength: 2 }),
      addresses: fc.array(fc.record({ interface: word, address: fc.oneof(word, fc.ipV4(), fc.ipV6()), cidr: fc.oneof(word, fc.constant('10.0.0.1/24')) }), { maxLength: 2 }),
      gateway: fc.option(fc.record({ address: fc.oneof(word, fc.ipV4()), interface: word }), { nil: undefined }),
      guests: fc.array(fc.record({ name: word, mac: fc.oneof(word, fc.constant('52:54:00:00:00:01')), bridge: word }), { maxLength: 2 }),
    });
    fc.assert(fc.property(facts, fc.constantFrom(...platforms), (found, platform) => {
      const text = makeStarter(found, platform);
      assert.ok(!/[\0-\x08\x0b-\x1f\x7f]/.test(text));
      valid(text);
    }), { numRuns: Number(process.env['FUZZ_RUNS'] ?? 80) });
  });
});

describe('config init: the host', () => {
  let root = '';
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'landfall-host-'));
    put('sys/class/net/br0/bridge/vlan_filtering', '1\n');
    for (const port of ['bond0', 'tap5', 'vethab', 'eth1', 'vxlan7', 'dummy0']) {
      put(`sys/class/net/br0/brif/${port}/state`, '3\n');
      put(`sys/class/net/${port}/ifindex`, '7\n');
      put(`sys/class/net/${port}/iflink`, port === 'vethab' ? '12\n' : '7\n');
      put(`sys/class/net/${port}/uevent`, port === 'vxlan7' ? 'DEVTYPE=vxlan\nINTERFACE=vxlan7\n' : `INTERFACE=${port}\n`);
    }
    put('sys/class/net/bond0/bonding/mode', 'active-backup 1\n');
    put('sys/class/net/tap5/tun_flags', '0x1002\n');
    put('sys/class/net/eth1/device/vendor', '0x8086\n');
    put('proc/net/route', 'Iface\tDestination\tGateway \tFlags\nbr0\t000200C0\t00000000\t0001\neth0\t00000000\t010200C0\t0003\n');
    put('proc/17/comm', 'bgpd\n');
    put('proc/18/comm', 'sshd\n');
    put('proc/version/comm', 'bird\n');
    put('proc/19/comm', 'gobgpd\n');
    put('proc/20/comm', 'openbgpd\n');
    put('proc/20/stat', '20 (openbgpd) Z 1 20 20 0 -1\n');
    put('proc/21/comm', 'exabgp\n');
    for (const [pid, namespace] of [['self', '1'], ['17', '1'], ['19', '2']] as const) {
      mkdirSync(join(root, 'proc', pid, 'ns'), { recursive: true });
      symlinkSync(`net:[${namespace}]`, join(root, 'proc', pid, 'ns/net'));
    }
    put('etc/libvirt/qemu/web.xml', "<domain type='kvm'>\n  <name>web</name>\n  <devices>\n    <interface type='bridge'>\n      <mac address='52:54:00:aa:00:01'/>\n      <source bridge='br0'/>\n    </interface>\n    <interface type='network'>\n      <mac address='52:54:00:aa:00:02'/>\n      <source network='default'/>\n    </interface>\n  </devices>\n</domain>\n");
    put('etc/libvirt/qemu/broken.xml', '<name>x<interface <mac address=');
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('bridges, ports and what they are', () => {
    assert.deepEqual(inspectHost(root).bridges, [{
      name: 'br0', vlanFiltering: true,
      ports: [{ name: 'bond0', kind: 'fabric' }, { name: 'dummy0', kind: 'other' }, { name: 'eth1', kind: 'fabric' }, { name: 'tap5', kind: 'guest' }, { name: 'vethab', kind: 'guest' }, { name: 'vxlan7', kind: 'fabric' }],
    }]);
  });
  it('ports of Open vSwitch, by their master', () => {
    symlinkSync('../ovs-system', join(root, 'sys/class/net/eth1/master'));
    symlinkSync('../br0', join(root, 'sys/class/net/tap5/master'));
    assert.deepEqual(inspectHost(root).openVswitchPorts, ['eth1']);
  });
  it('gateway, other speakers, guests, platform', () => {
    const { gateway, speakers, guests, platform } = inspectHost(root);
    assert.deepEqual({ gateway, speakers, guests, platform }, {
      gateway: { interface: 'eth0', address: '192.0.2.1' }, speakers: ['bgpd', 'exabgp'], guests: [{ name: 'web', mac: '52:54:00:aa:00:01', bridge: 'br0' }], platform: 'libvirt',
    });
  });
  it('nothing at all is no failure', () => assert.deepEqual(inspectHost(join(root, 'nowhere')).bridges, []));
});

describe('config commands', () => {
  const collect = () => {
    const out: string[] = [];
    const err: string[] = [];
    return { out, err, streams: { stdout: { write: (text: string) => out.push(text) }, stderr: { write: (text: string) => err.push(text) } } };
  };
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'landfall-check-'));
    writeFileSync(join(folder, 'good.yaml'), fileOf(), { mode: 0o644 });
    writeFileSync(join(folder, 'bad.yaml'), `${fileOf()}logg: {}\n`, { mode: 0o644 });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('check: status 0 and one sentence on stdout', async () => {
    const { out, err, streams } = collect();
    assert.equal(await configCheck({ file: join(folder, 'good.yaml'), environment: {}, hostName: 'hv-01', ...streams }), 0);
    assert.match(out.join(''), /good\.yaml is valid: on hv-01 AS 65010 with 1 peer, watching br-vlan, 0 bindings \(learn\)\n$/);
    assert.deepEqual(err, []);
  });
  it('check: status 3 and the errors on stderr', async () => {
    const { out, err, streams } = collect();
    assert.equal(await configCheck({ file: join(folder, 'bad.yaml'), environment: {}, ...streams }), 3);
    assert.deepEqual(out, []);
    assert.match(err.join(''), /bad\.yaml:5:1 {2}logg {2}unknown key "logg"; did you mean "log"\?\n.*bad\.yaml is not valid: 1 error\n/);
  });
  for (const output of ['json', 'jsonl', 'yaml']) {
    it(`check -o ${output}: all in one object on stdout`, async () => {
      const { out, err, streams } = collect();
      assert.equal(await configCheck({ file: join(folder, 'bad.yaml'), output, environment: {}, ...streams }), 3);
      assert.deepEqual(err, []);
      assert.match(out.join(''), /ConfigCheck/);
      if (output !== 'yaml') assert.deepEqual((JSON.parse(out.join('')) as { items: { errors: { line: number }[] }[] }).items[0]?.errors.map(({ line }) => line), [5]);
    });
  }
  it('schema prints the JSON Schema', async () => {
    const { out, streams } = collect();
    assert.equal(await configSchema(streams), 0);
    assert.equal((JSON.parse(out.join('')) as { title: string }).title, 'landfall configuration');
  });
  it('init prints a file that passes, on this very host', async () => {
    const { out, streams } = collect();
    assert.equal(await configInit({ platform: 'libvirt', ...streams }), 0);
    valid(out.join(''));
  });
});
