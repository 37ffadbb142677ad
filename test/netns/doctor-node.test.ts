import assert from 'node:assert/strict';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep, waitFor } from '../../src/demo/processes.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { commandOf, DoctorHost, troubles, wrong } from './doctor-host.ts';
import { needs } from './lab.ts';

// A node that is in order, broken in one way after the other: `doctor` finds that and nothing else, and what its fix says ends it.

interface Broken {
  readonly what: string;
  /** What an administrator did to the node's network. */
  readonly breaks?: string;
  /** What is wrong in the configuration, or makes the check concern it. */
  readonly yaml?: (yaml: string) => string;
  readonly found: readonly RegExp[];
  /** The command that the fix says, where it can't be run as it stands. */
  readonly mends?: (item: FindingItem) => string;
  /** What the fix says about the configuration. */
  readonly mended?: (yaml: string, items: readonly FindingItem[]) => string;
  readonly undo?: string;
}

const nothing = (): string => ':';
const inWatch = (words: string) => (yaml: string): string => yaml.replace('identity:\n', `${words}\nidentity:\n`);
const hostMode = (yaml: string): string => yaml.replace('    prefixes:', '    gateway: {addresses: [203.0.113.1, "2001:db8:100::1"]}\n    prefixes:') + 'kernel: {routes: host}\n';
const upWith = (name: string): string => `ip link add ${name} type veth peer name ${name}-far && ip link set ${name} up`;
const postrouting = (family: string): string => `nft 'add table ${family} t; add chain ${family} t post { type nat hook postrouting priority 100; }`;

const cases: readonly Broken[] = [
  { what: 'a bridge that is missing', breaks: 'ip link set br-vlan down; ip link set br-vlan name br-other; ip link set br-other up',
    found: [/^fail bridge: br-vlan does not exist: nothing is heard there$/, /^warn prefixes: 203\.0\.113\.1 of br-other is inside watch\[0\]/],
    mends: nothing, mended: (yaml) => yaml.replace('bridge: br-vlan', 'bridge: br-other'), undo: 'ip link set br-other down; ip link set br-other name br-vlan; ip link set br-vlan up; ip addr replace 2001:db8:100::1/64 dev br-vlan nodad' },
  { what: 'an interface that is no Linux bridge', breaks: `ip tuntap add br-ovs mode tap; ip link set br-ovs up; ip link add br-vms address 02:00:5e:00:01:09 type bridge; ${upWith('up1')}; ip link set up1 master br-vms; ip link set br-vms up`,
    yaml: inWatch('  - {bridge: br-ovs, ports: {local: ["vnet*"], uplink: [up1]}, prefixes: [198.51.100.0/24]}'),
    found: [/^fail bridge: br-ovs is of kind tun, not a Linux bridge: nothing is heard there$/], mends: nothing, mended: (yaml) => yaml.replace('br-ovs', 'br-vms'), undo: 'ip link del br-ovs; ip link del br-vms; ip link del up1' },
  { what: 'a bridge without an uplink', breaks: 'ip link set up0 nomaster', found: [/^fail neighbours: br-vlan has no uplink and kernel\.routes is off/], mends: () => 'ip link set up0 master br-vlan' },
  { what: 'a port that nobody lists', breaks: `${upWith('odd7')}; ip link set odd7 master br-vlan; ip link set odd7 alias mac=52:54:00:aa:00:07`,
    found: [/^fail ports: odd7 is on br-vlan and in neither ports\.local nor ports\.uplink/], mends: nothing,
    mended: (yaml, [item]) => yaml.replace('local: [', `local: [${/^add ("odd\*") to watch\[0\]\.ports\.local/.exec(item?.fix ?? '')?.[1]}, `), undo: 'ip link del odd7' },
  { what: 'a port in both lists', yaml: (yaml) => yaml.replace('["tap*"]', '["tap*", "up*"]'), found: [/^warn ports: up0 on br-vlan is in both/], mends: nothing, mended: (yaml) => yaml.replace('"up*"', '"vnet*"') },
  { what: 'a bridge with the MAC of a port', breaks: `ip link add br-free type bridge; ip link set br-free up; ${upWith('up1')}; ip link set up1 address 02:00:00:00:09:09; ip link set up1 master br-free`,
    yaml: inWatch('  - {bridge: br-free, ports: {local: ["vnet*"], uplink: [up1]}, prefixes: [198.51.100.0/24]}'),
    found: [/^warn bridge-mac: br-free has no MAC of its own: 02:00:00:00:09:09 is that of its port up1/], undo: 'ip link del br-free; ip link del up1' },
  { what: 'a port without its mark', breaks: 'ip link set tap1 alias ""', found: [/^warn marks: 1 of 1 local ports bear no mark of their guest \(tap1\)/],
    mends: ({ fix = '' }) => (/(ip link set PORT alias mac=MAC)/.exec(fix)?.[1] as string).replace('PORT', 'tap1').replace('MAC', '52:54:00:aa:00:01') },
  { what: 'a tap whose MAC the kernel drew', breaks: 'ip tuntap add tap2 mode tap; ip link set tap2 master br-vlan up', found: [/^warn marks: 1 of 2 local ports bear no mark of their guest \(tap2\)/],
    mends: ({ fix = '' }) => (assert.match(fix, /^libvirt marks taps by their MAC/), 'ip link set tap2 address fe:54:00:aa:00:02'), undo: 'ip link del tap2' },
  { what: 'strict reverse path filters for all', breaks: 'sysctl -qw net.ipv4.conf.all.rp_filter=1', found: [/^warn rp_filter: br-vlan rp_filter=1 \(strict\)/], undo: 'sysctl -qw net.ipv4.conf.all.rp_filter=0' },
  { what: 'a strict one of an interface with a dot in its name, which learns and redirects',
    breaks: 'ip link add br-vlan.100 link br-vlan type macvlan mode bridge; ip link set br-vlan.100 up; ip addr add 203.0.113.129/25 dev br-vlan.100; for i in rp_filter send_redirects; do echo 1 > /proc/sys/net/ipv4/conf/br-vlan.100/$i; done; echo 0 > /proc/sys/net/ipv4/conf/br-vlan.100/forwarding',
    found: [/^warn rp_filter: br-vlan\.100 rp_filter=1/, /^warn arp_accept: br-vlan\.100 arp_accept=0/, /^warn redirects: br-vlan\.100 send_redirects=1/, /^fail forwarding: br-vlan\.100 .* forwards no IPv4 that comes in there$/], undo: 'ip link del br-vlan.100' },
  { what: 'arp_accept off', breaks: 'sysctl -qw net.ipv4.conf.br-vlan.arp_accept=0', found: [/^warn arp_accept: br-vlan arp_accept=0/] },
  { what: 'accept_untracked_na off', breaks: 'sysctl -qw net.ipv6.conf.br-vlan.accept_untracked_na=0', found: [/^warn arp_accept: br-vlan accept_untracked_na=0/] },
  { what: 'redirects on', breaks: 'sysctl -qw net.ipv4.conf.all.send_redirects=1', found: [/^warn redirects: br-vlan send_redirects=1/] },
  { what: 'no forwarding of IPv4', breaks: 'sysctl -qw net.ipv4.ip_forward=0', found: [/^fail forwarding: br-vlan has an IPv4 address .* forwards no IPv4$/] },
  { what: 'no forwarding of IPv4 from the VMs alone', breaks: 'sysctl -qw net.ipv4.conf.br-vlan.forwarding=0', found: [/^fail forwarding: br-vlan has an IPv4 address .* forwards no IPv4 that comes in there$/] },
  { what: 'no forwarding of IPv6', breaks: 'sysctl -qw net.ipv6.conf.all.forwarding=0', found: [/^fail forwarding: br-vlan has an IPv6 address .* forwards no IPv6$/] },
  { what: 'a subnet of the VMs that is local, with kernel.routes: host', yaml: hostMode,
    found: [/^warn gateway: 203\.0\.113\.1\/24 makes the VMs' subnet local to br-vlan/, /^warn gateway: 2001:db8:100::1\/64 makes/] },
  { what: 'a gateway that the node does not have, with kernel.routes: host', breaks: 'ip addr flush dev br-vlan scope global', yaml: hostMode,
    found: [/^warn gateway: gateway 203\.0\.113\.1 of watch\[0\] is no address of this node/, /^warn gateway: gateway 2001:db8:100::1 of/],
    undo: 'ip addr flush dev br-vlan scope global; ip addr add 203.0.113.1/24 dev br-vlan; ip addr add 2001:db8:100::1/64 dev br-vlan nodad' },
  { what: 'an address of the node among those of the VMs', breaks: 'ip addr add 203.0.113.200/32 dev rt0', found: [/^warn prefixes: 203\.0\.113\.200 of rt0 is inside watch\[0\]\.prefixes, and not on br-vlan/],
    mends: ({ fix }) => (assert.match(fix ?? '', /^make watch\.prefixes no wider/), ':'), mended: (yaml) => yaml.replace('203.0.113.0/24', '203.0.113.0/25'), undo: 'ip addr del 203.0.113.200/32 dev rt0' },
  { what: 'a router among the VMs', yaml: (yaml) => yaml.replace('address: 192.0.2.1,', 'address: 203.0.113.254,'), found: [/^fail prefixes: tor-a's address 203\.0\.113\.254 is inside watch\[0\]\.prefixes/],
    mends: nothing, mended: (yaml, [item]) => yaml.replace('    prefixes:', `    exclude: [${/^add (\S+) to watch\[0\]\.exclude$/.exec(item?.fix ?? '')?.[1]}]\n    prefixes:`) },
  { what: 'SNAT, in nftables', breaks: `${postrouting('ip')}; add rule ip t post ip saddr 203.0.113.0/25 oifname "rt0" counter masquerade'`, found: [/^warn snat: a rule rewrites the source of packets from 203\.0\.113\.0\/24: ip saddr 203\.0\.113\.0\/25/], undo: 'nft delete table ip t' },
  { what: 'SNAT of everything, both families', breaks: `${postrouting('inet')}; add rule inet t post oifname "rt0" masquerade'`, found: [/^warn snat: a rule may rewrite the source of packets from 203\.0\.113\.0\/24, 2001:db8:100::\/64: oifname "rt0" masquerade/], undo: 'nft delete table inet t' },
  { what: 'SNAT, by iptables', breaks: 'iptables-nft -t nat -A POSTROUTING -s 203.0.113.0/24 ! -o br-vlan -j MASQUERADE', found: [/^warn snat: a rule rewrites the source of packets from 203\.0\.113\.0\/24: -A POSTROUTING -s 203\.0\.113\.0\/24 ! -o br-vlan -j MASQUERADE/],
    mends: (item) => commandOf(item).replace(/^iptables /, 'iptables-nft '), undo: 'nft delete table ip nat' },
  { what: 'SNAT, by ip6tables', breaks: 'ip6tables-nft -t nat -A POSTROUTING -o rt0 -j MASQUERADE', found: [/^warn snat: a rule may rewrite the source of packets from 2001:db8:100::\/64: -A POSTROUTING -o rt0 -j MASQUERADE/],
    mends: (item) => commandOf(item).replace(/^ip6tables /, 'ip6tables-nft '), undo: 'nft delete table ip6 nat' },
  { what: 'SNAT, in the tables of the old iptables', breaks: 'iptables-legacy -t nat -A POSTROUTING -s 203.0.113.7/32 -j SNAT --to-source 192.0.2.2', found: [/^warn snat: a rule rewrites the source of packets from 203\.0\.113\.0\/24: -A POSTROUTING -s 203\.0\.113\.7\/32 -j SNAT/], undo: 'iptables-legacy -t nat -F' },
  { what: 'a folder for the state that is not there', yaml: (yaml) => yaml.replace('/state.json', '/state/of/it.json'), found: [/^warn state: \S+\/state\/of\/it\.json: its folder does not exist/],
    mends: (item) => commandOf(item).replace('-o landfall', '-o root') },
  { what: 'a port of BGP that is taken', breaks: `${JSON.stringify(process.execPath)} -e "require('net').createServer().listen(179, '192.0.2.2', () => console.log())" > listens 2>&1 < /dev/null & echo $! > listener; while ! [ -s listens ]; do sleep 0.05; done`,
    yaml: (yaml) => yaml.replace('  nextHop', '  listen: {enabled: true}\n  nextHop'), found: [/^fail speakers: something listens on port 179 of this node already, and bgp\.listen is enabled/],
    mends: ({ fix }) => (assert.match(fix ?? '', /^end it, or change bgp\.listen\.port$/), 'kill $(cat listener)') },
];

describe('doctor on a node that is broken in one way after the other', function () {
  this.timeout(60_000);
  let host: DoctorHost;
  before(async function () {
    needs(this);
    host = await DoctorHost.start();
  });
  after(() => host?.stop());

  const inFolder = (line: string): Promise<string> => host.sh(`cd '${host.folder}'; ${line}`);

  it('finds nothing where nothing is wrong', async () => {
    assert.deepEqual(troubles(await host.findings()), []);
  });

  // What a case that broke off left behind would be found by its second try, or by the next.
  async function anew(): Promise<void> {
    await host.stop();
    host = await DoctorHost.start();
  }
  beforeEach(async function () {
    if (((this.currentTest as { currentRetry?: () => number } | undefined)?.currentRetry?.() ?? 0) > 0) await anew();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await anew();
  });

  for (const { what, breaks, yaml, found, mends = commandOf, mended, undo } of cases) {
    it(`${what}: found, and gone once its fix is done`, async () => {
      if (breaks !== undefined) await inFolder(breaks);
      const broken = yaml === undefined ? host.yaml : yaml(host.yaml);
      const items = wrong(await host.findings(broken));
      const said = troubles(items);
      assert.ok(said.length === found.length && found.every((words) => said.some((line) => words.test(line))), `found:\n${said.join('\n')}`);
      for (const item of items) {
        assert.ok(item.fix !== undefined, `a fix of ${item.text}`);
        await inFolder(mends(item));
      }
      assert.deepEqual(troubles(await host.findings(mended === undefined ? broken : mended(broken, items))), []);
      if (undo !== undefined) await inFolder(undo);
    });
  }

  it('what it says of ICMP errors is so: late packets are answered, and its fix ends that', async () => {
    await host.sh("nft delete table inet landfall; for f in 4 6; do echo 100 > /proc/sys/net/ipv$f/neigh/br-vlan/retrans_time_ms; done");
    const answers = async (): Promise<number[]> => {
      const text = await host.sh('cat /proc/net/snmp /proc/net/snmp6', 'fabric');
      const [names, values] = [...text.matchAll(/^Icmp: .*$/gm)].map(([line]) => line.split(' ')) as [string[], string[]];
      return [Number(values[names.indexOf('InDestUnreachs')]), Number(/^Icmp6InDestUnreachs\s+(\d+)$/m.exec(text)?.[1])];
    };
    const send = `require('dgram'); for (const [type, to] of [['udp4', '203.0.113.77'], ['udp6', '2001:db8:100::77']]) require('dgram').createSocket(type).on('error', () => 0).send('late', 9, to)`;
    const provoke = (): Promise<string> => host.sh(`${JSON.stringify(process.execPath)} -e "${send}; setTimeout(() => process.exit(), 100)"`, 'fabric');
    const before = await answers();
    await waitFor('an answer of either family', 20_000, async () => {
      await provoke();
      return (await answers()).every((count, i) => count > (before[i] as number));
    }, 300);
    const items = wrong(await host.findings());
    assert.deepEqual(troubles(items).map((line) => line.replace(/,.*/, '')), [
      'warn icmp: late packets to a VM that has left br-vlan are answered with ICMP host unreachable', 'warn icmp: late packets to a VM that has left br-vlan are answered with ICMPv6 address unreachable']);
    for (const item of items) await host.sh(commandOf(item));
    assert.deepEqual(troubles(await host.findings()), []);
    await sleep(500); // those that were on their way
    const silent = await answers();
    const failed = async (): Promise<boolean> => ['203.0.113.77', '2001:db8:100::77'].every((address) => neighbours.some((line) => line.startsWith(`${address} `) && line.includes('FAILED')));
    let neighbours: string[] = [];
    await host.sh('ip neigh flush all');
    await provoke();
    await waitFor('the node to have looked for both in vain', 20_000, async () => {
      neighbours = (await host.sh('ip neigh show dev br-vlan; ip -6 neigh show dev br-vlan')).split('\n');
      return failed();
    });
    assert.deepEqual(await answers(), silent);
  });

  it('a user who lacks capabilities, may not read the firewall and not write where the state is', async () => {
    const as = (caps: string): string[] => ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', `--inh-caps=-all,${caps}`, `--ambient-caps=-all,${caps}`, `--bounding-set=-all,${caps}`];
    const yaml = host.yaml.replace('  nextHop', '  listen: {enabled: true}\n  nextHop').replace('state.json', 'state/s.json') + 'kernel: {refreshNeighbors: true}\nprocess: {scheduling: fifo}\n';
    await inFolder('mkdir -p state');
    const found = async (caps: string): Promise<FindingItem[]> => wrong(await host.findings(yaml, as(caps))).filter(({ topic }) => topic !== 'speakers');
    const items = await found('+net_raw');
    assert.deepEqual(troubles(items).map((line) => line.replace(/ \(.*/, '')), [
      'fail capability: this process lacks CAP_NET_BIND_SERVICE, needed to listen on port 179', 'fail capability: this process lacks CAP_NET_ADMIN, needed to change the node\'s kernel',
      'warn capability: this process lacks CAP_SYS_NICE, needed to run with process.scheduling fifo',
      ...['ICMP host', 'ICMPv6 address'].map((what) => `warn icmp: late packets to a VM that has left br-vlan are answered with ${what} unreachable, which ends connections`),
      'skip snat: the firewall\'s rules can\'t be read', `warn state: ${host.folder}/state/s.json: its folder can't be written to`,
    ]);
    const granted = items.flatMap(({ fix = '' }) => /AmbientCapabilities=CAP_(\S+)/.exec(fix)?.[1]?.toLowerCase() ?? []);
    await inFolder(commandOf(items.at(-1) as FindingItem).replace('-o landfall', '-o 65534'));
    assert.deepEqual(troubles(await found(['net_raw', ...granted].map((name) => `+${name}`).join(','))), []);
  });

  it('a native module that is not built, and is', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const copy = join(host.folder, 'landfall');
    for (const name of ['dist', 'native', 'package.json']) cpSync(join(root, name), join(copy, name), { recursive: true, filter: (path) => !path.startsWith(join(root, 'native/build') + '/') });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const items = wrong(await host.findings(host.yaml, [], [process.execPath, join(copy, 'dist/src/cli.js')]));
    assert.match(troubles(items).join('\n'), /^fail native: landfall's native module is not built: [^\n]*\nskip bridge: the kernel does not tell of bridges [^\n]*$/);
    const command = /^(node native\/build\.mjs) in landfall's folder/.exec(items[0]?.fix ?? '')?.[1] as string;
    await host.sh(`cd '${copy}'; ${command.replace(/^node/, JSON.stringify(process.execPath))}`);
    assert.deepEqual(troubles(await host.findings(host.yaml, [], [process.execPath, join(copy, 'dist/src/cli.js')])), []);
  });

  it('the clock: as the kernel says; not synchronised, not to be asked, and years off', async () => {
    const source = fileURLToPath(new URL('doctor-clock.c', import.meta.url));
    await host.sh(`cc -DASK -o '${host.folder}/ask' '${source}'; cc -shared -fPIC -O1 -o '${host.folder}/clock.so' '${source}' -ldl`);
    const clock = async (...variables: string[]): Promise<string> => {
      const words = variables.length === 0 ? [] : ['env', `LD_PRELOAD=${host.folder}/clock.so`, ...variables];
      return (await host.findings(host.yaml, words)).filter(({ topic }) => topic === 'clock').map(({ result, text, fix = '' }) => `${result} ${text}; fix: ${fix}`).join('\n');
    };
    const really = Number(await host.sh(`'${host.folder}/ask'`)) < 16_000_000;
    process.stderr.write(`        this machine's clock is ${really ? '' : 'not '}synchronised\n`);
    assert.match(await clock(), really ? /^ok synchronised/ : /^warn not synchronised/);
    assert.match(await clock('MAXERROR=16000000'), /^warn not synchronised: claims of nodes that see nothing of each other may be ordered wrongly; fix: run an NTP client/);
    assert.match(await clock('MAXERROR=2500'), /^ok synchronised/);
    assert.match(await clock('MAXERROR=forbidden'), /^ok set; whether it is synchronised may not be asked here/);
    assert.match(await clock('MAXERROR=16000000', 'YEARS=-30'), /^warn never set, or years ahead: .*; fix: set it, and run an NTP client/);
    assert.match(await clock('MAXERROR=16000000', 'YEARS=40'), /^warn never set, or years ahead/);
  });
});
