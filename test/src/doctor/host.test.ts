import assert from 'node:assert/strict';
import { checkBridgeMac, checkBridges, checkMarks, checkPortVlans, checkPorts } from '../../../src/doctor/bridges.ts';
import { checkCapabilities } from '../../../src/doctor/capabilities.ts';
import { examineHost } from '../../../src/doctor/examine-host.ts';
import { checkHostMode, checkIcmpErrors, dropsUnreachable } from '../../../src/doctor/icmp-errors.ts';
import { checkGatewaySettings, checkNeighbourReach } from '../../../src/doctor/node-as-gateway.ts';
import { checkOtherSpeakers } from '../../../src/doctor/other-speakers.ts';
import { checkOwnAddresses } from '../../../src/doctor/own-addresses.ts';
import { checkSourceRewriting, parseRewrites } from '../../../src/doctor/source-rewriting.ts';
import { parseTcpTable } from '../../../src/doctor/tcp-table.ts';
import { checkUpstream } from '../../../src/doctor/upstream.ts';
import { peers } from '../fake-daemon.ts';
import { bond, bridgeLink, config, host, mac, port, tables, troubles } from './fixtures.ts';

const findings = (links: Parameters<typeof tables>[0]) => tables(links);

describe('doctor, the host', () => {
  it('finds nothing wrong where nothing is', () => {
    assert.deepEqual(troubles(examineHost(host(), config(), { capabilities: host().capabilities as never, peers: [] })), []);
  });

  for (const [what, sets, text] of [
    ['only in the bounding set of a user', { effective: '0', bounding: '2000', noNewPrivileges: true, uid: 65534 }, /effective lacks it, bounding has it, NoNewPrivs 1, uid 65534.*uid 0 with drop: \[ALL\], add: \[NET_RAW\]/],
    ['nowhere', { effective: '0', bounding: '0', noNewPrivileges: false, uid: 0 }, /missing from the bounding set/],
    ['not effective', { effective: '1000', bounding: '3000', noNewPrivileges: false, uid: 7 }, /setpriv --ambient-caps \+net_raw/],
  ] as const) {
    it(`CAP_NET_RAW ${what} fails, with the cure of that case`, () => {
      const [found] = checkCapabilities(sets, config(), 'the daemon');
      assert.equal(found?.result, 'fail');
      assert.match(found?.fix ?? '', text);
    });
  }

  it('asks for the capabilities of what is configured, and no others', () => {
    const all = { effective: 'ffffffffff', bounding: 'ffffffffff', noNewPrivileges: false, uid: 0 };
    assert.deepEqual(checkCapabilities(all, config(), '').map(({ text }) => text), ['CAP_NET_RAW present']);
    const bgp = '{asn: 65010, listen: {enabled: true}, peers: [{name: tor-a, address: 192.0.2.1, asn: 65010}]}';
    assert.deepEqual(troubles(checkCapabilities({ ...all, effective: '2000' }, config({ bgp, process: '{scheduling: fifo}' }), 'the daemon')), [
      'fail capability: the daemon lacks CAP_NET_BIND_SERVICE, needed to listen on port 179 (bgp.listen)', 'warn capability: the daemon lacks CAP_SYS_NICE, needed to run with process.scheduling fifo',
    ]);
  });

  it('fails for a session that this kernel can\'t sign', () => {
    const unsignable = [{ name: 'tor-a', why: 'TCP-AO is not in this kernel: no key, no session' }];
    const [found] = examineHost({ ...host(), unsignable }, config(), { capabilities: host().capabilities as never, peers: [] }).filter(({ topic }) => topic === 'session');
    assert.deepEqual([found?.result, found?.text], ['fail', 'tor-a: TCP-AO is not in this kernel: no key, no session']);
    assert.match(found?.fix ?? '', /kernel.*password.*at both ends/);
  });

  it('says that nobody could try whether this kernel signs, where a session is to be signed', () => {
    const unsignable = { untried: 'landfall\'s native module is not built' };
    const bgp = '{asn: 65010, peers: [{name: tor-a, address: 192.0.2.1, asn: 65010, tcpAo: {keys: [{sendId: 1, key: {env: KEY}}]}}]}';
    const of = (one: ReturnType<typeof config>): string[] => troubles(examineHost({ ...host(), unsignable }, one, undefined)).filter((line) => line.includes('session'));
    assert.deepEqual([of(config()), of(config({ bgp }))], [[], ['skip session: tor-a: whether this kernel has TCP-AO can\'t be told: landfall\'s native module is not built']]);
  });

  it('shows a bridge with its ports', () => {
    assert.deepEqual(checkBridges(findings([bridgeLink, bond, port(4, 'vnet4'), port(5, 'vnet1')]), config()).map(({ text }) => text), ['br-vlan: vlan_filtering 1; local ports vnet4 vnet1; uplink bond0']);
  });

  it('fails for a bridge that is missing, and for Open vSwitch by name', () => {
    assert.match(troubles(checkBridges(findings([]), config()))[0] as string, /^fail bridge: br-vlan does not exist/);
    assert.match(troubles(checkBridges(findings([{ ...bridgeLink, kind: 'openvswitch' }]), config()))[0] as string, /^fail bridge: br-vlan is an Open vSwitch bridge/);
    assert.match(troubles(checkBridges(findings([{ ...bridgeLink, kind: 'bond' }]), config()))[0] as string, /of kind bond, not a Linux bridge/);
  });

  it('fails for a port in neither list, with the pattern to add', () => {
    const [found] = checkPorts(findings([bridgeLink, bond, port(7, 'tap7')]), config());
    assert.deepEqual([found?.result, found?.text], ['fail', 'tap7 is on br-vlan and in neither ports.local nor ports.uplink: its VM is never announced']);
    assert.match(found?.fix ?? '', /^add "tap\*" to watch\[0\]\.ports\.local/);
    for (const [name, pattern] of [['veth3fa9c1', 'veth*'], ['guest', 'guest'], ['tap1f3a92c0-4e', 'tap*'], ['odd7', 'odd*'], ['fwpr100p0', 'fwpr100p*'], ['facade', 'facade'], ['7', '7']]) {
      assert.ok(checkPorts(findings([bridgeLink, port(8, name as string)]), config())[0]?.fix?.startsWith(`add "${pattern}" to`), name);
    }
    const many = Array.from({ length: 9 }, (_, i) => port(20 + i, `tap${i}`));
    assert.equal(checkPorts(findings([bridgeLink, ...many]), config()).length, 6);
  });

  it('warns of a bridge that bears the lowest MAC of its ports, unless somebody has set it', () => {
    const borrowed = { ...bridgeLink, mac: bond.mac as never };
    const state = host({ bridges: tables([borrowed, bond, port(4, 'vnet4')]), fixedMac: new Set() });
    assert.match(troubles(checkBridgeMac(state, config()))[0] as string, /^warn bridge-mac: .*0c:00:00:00:00:03 is that of its port bond0/);
    assert.deepEqual(checkBridgeMac({ ...state, fixedMac: new Set(['br-vlan']) }, config()), []);
    assert.deepEqual(checkBridgeMac(host({ fixedMac: new Set() }), config()), []);
    assert.equal(checkBridgeMac(host({ bridges: tables([bridgeLink]), fixedMac: new Set(), drawnMac: new Set(['br-vlan']) }), config()).length, 1);
  });

  it('warns of ports without a mark, unless they may take nothing over', () => {
    const state = findings([bridgeLink, bond, port(4, 'vnet4'), port(5, 'vnet5', { kind: 'veth', mac: mac('02:aa:00:00:00:05') })]);
    assert.match(troubles(checkMarks(state, config()))[0] as string, /1 of 2 local ports bear no mark of their guest \(vnet5\)/);
    assert.deepEqual(checkMarks(state, config({ identity: '{mode: learn, unverifiedPorts: refuse}' })), []);
    assert.deepEqual(troubles(checkMarks(findings([bridgeLink, port(4, 'vnet4')]), config())), []);
    const bound = config({ identity: '{mode: learn, bindings: [{vm: shop/web-1, mac: "52:54:00:aa:00:01", port: "vnet*", ips: [203.0.113.11]}]}' });
    assert.deepEqual(troubles(checkMarks(state, bound)), []);
  });

  const routed = host({ bridges: tables([bridgeLink, bond, { ...bridgeLink, ifindex: 9, name: 'br-vlan.100', kind: 'vlan' }], [[9, '203.0.113.1']]) });
  const setting = (name: string, value: number) => ({ ...routed, settings: new Map([[name, value]]) });
  for (const [name, value, text] of [
    ['net/ipv4/conf/br-vlan.100/rp_filter', 1, /^warn rp_filter: br-vlan\.100 rp_filter=1 \(strict\)/],
    ['net/ipv4/conf/all/rp_filter', 1, /^warn rp_filter: br-vlan\.100/],
    ['net/ipv4/conf/br-vlan.100/arp_accept', 0, /^warn arp_accept: br-vlan\.100 arp_accept=0/],
    ['net/ipv4/conf/all/send_redirects', 1, /^warn redirects: br-vlan\.100 send_redirects=1/],
    ['net/ipv4/ip_forward', 0, /^fail forwarding: br-vlan\.100 .* forwards no IPv4$/],
    ['net/ipv4/conf/br-vlan.100/forwarding', 0, /^fail forwarding: br-vlan\.100 .* forwards no IPv4 that comes in there$/],
  ] as const) {
    it(`${name} = ${value}`, () => {
      const found = troubles(checkGatewaySettings(setting(name, value), config()));
      assert.equal(found.length, 1);
      assert.match(found[0] as string, text);
      assert.doesNotMatch(checkGatewaySettings(setting(name, value), config())[0]?.fix ?? '', /br-vlan\.100/, 'a dot that sysctl takes for a slash');
      // Where the node is nobody's gateway, none of it matters.
      assert.deepEqual(checkGatewaySettings({ ...host(), settings: new Map([[name, value]]) }, config()), []);
    });
  }

  it('a loose rp_filter for all outweighs a strict one of the interface', () => {
    assert.deepEqual(checkGatewaySettings({ ...routed, settings: new Map([['net/ipv4/conf/all/rp_filter', 2], ['net/ipv4/conf/br-vlan.100/rp_filter', 1]]) }, config()), []);
  });

  it('the node routes IPv6 for its VMs: accept_untracked_na and forwarding', () => {
    const six = host({ bridges: tables([bridgeLink], [[2, '2001:db8:100::1']]), settings: new Map([['net/ipv6/conf/br-vlan/accept_untracked_na', 0], ['net/ipv6/conf/all/forwarding', 0]]) });
    const watch = '[{bridge: br-vlan, ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: ["2001:db8:100::/64"]}]';
    assert.deepEqual(troubles(checkGatewaySettings(six, config({ watch }))).map((line) => line.split(':')[0]), ['warn arp_accept', 'fail forwarding']);
    assert.deepEqual(troubles(checkGatewaySettings({ ...six, settings: new Map([['net/ipv6/conf/br-vlan/accept_untracked_na', 1], ['net/ipv6/conf/all/forwarding', 1]]) }, config({ watch }))), []);
  });

  it('warns of ICMP errors for a VM that has left, unless they are dropped or kernel.routes sends the packets on', () => {
    assert.match(troubles(checkIcmpErrors(routed, config()))[0] as string, /^warn icmp: late packets to a VM that has left br-vlan\.100 are answered with ICMP host unreachable, which ends connections$/);
    assert.deepEqual(checkIcmpErrors({ ...routed, dropsUnreachable: { ipv4: true, ipv6: false } }, config()), []);
    assert.deepEqual(checkIcmpErrors(routed, config({ kernel: '{routes: received}' })), []);
    assert.deepEqual(checkIcmpErrors(host(), config()), []);
    const six = host({ bridges: tables([bridgeLink], [[2, '2001:db8:100::1']]), dropsUnreachable: { ipv4: true, ipv6: false } });
    const watch = '[{bridge: br-vlan, ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: ["2001:db8:100::/64"]}]';
    assert.match(troubles(checkIcmpErrors(six, config({ watch })))[0] as string, /are answered with ICMPv6 address unreachable/);
    assert.deepEqual(checkIcmpErrors({ ...six, dropsUnreachable: { ipv4: false, ipv6: true } }, config({ watch })), []);
  });

  for (const [rule, ipv4, ipv6] of [
    ['icmp type destination-unreachable icmp code host-unreachable drop', true, false], ['icmp type destination-unreachable counter packets 0 bytes 0 drop', true, false], ['icmp code host-unreachable drop', true, false],
    ['icmp code host-unreachable accept', false, false], ['icmp type destination-unreachable icmp code port-unreachable drop', false, false], ['drop', false, false],
    ['icmpv6 type destination-unreachable icmpv6 code addr-unreachable drop', false, true], ['icmpv6 type destination-unreachable drop', false, true], ['icmpv6 code no-route drop', false, false],
    ['-A OUTPUT -p icmp -m icmp --icmp-type 3/1 -j DROP', true, false], ['-A OUTPUT -p icmp -m icmp --icmp-type 3 -j DROP', true, false], ['-A OUTPUT -p icmp -m icmp --icmp-type 3/3 -j DROP', false, false],
    ['-A INPUT -p icmp -m icmp --icmp-type 3/1 -j DROP', false, false], ['-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 1/3 -j DROP', false, true],
  ] as const) {
    it(`dropsUnreachable: ${rule}`, () => {
      assert.deepEqual(dropsUnreachable(`table inet f {\n  chain out {\n    type filter hook output priority filter; policy accept;\n    ${rule}\n  }\n}\n`), { ipv4, ipv6 });
      if (!rule.startsWith('-')) assert.deepEqual(dropsUnreachable(`table inet f {\n  chain in {\n    type filter hook input priority filter; policy accept;\n    ${rule}\n  }\n}\n`), { ipv4: false, ipv6: false });
    });
  }

  it('kernel.routes host: no subnet of the VMs is local, and the gateway is here', () => {
    const hostMode = config({ kernel: '{routes: host}', watch: '[{bridge: br-vlan, ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: [203.0.113.0/24], gateway: {addresses: [203.0.113.1]}}]' });
    const wrong = host({ addresses: [{ interface: 'br-vlan', address: '203.0.113.2', cidr: '203.0.113.2/24' }] });
    assert.deepEqual(troubles(checkHostMode(wrong, hostMode)).map((line) => line.slice(0, 40)), ['warn gateway: gateway 203.0.113.1 of wat', 'warn gateway: 203.0.113.2/24 makes the V']);
    const right = host({ bridges: tables([bridgeLink], [[2, '203.0.113.1']]), addresses: [{ interface: 'br-vlan', address: '203.0.113.1', cidr: '203.0.113.1/32' }, { interface: 'eth0', address: '192.0.2.17', cidr: '192.0.2.17/24' }] });
    assert.deepEqual(checkHostMode(right, hostMode), []);
    assert.deepEqual(checkHostMode(wrong, config()), []);
  });

  it('says of each watch whether its VLAN is stretched, and fails where neither that nor kernel.routes helps', () => {
    assert.equal(checkNeighbourReach(host(), config())[0]?.text, 'br-vlan is stretched by bond0: neighbours of a VM that leaves still reach it');
    const alone = host({ bridges: tables([bridgeLink, port(4, 'vnet4')]) });
    assert.deepEqual(checkNeighbourReach(host({ bridges: tables([{ ...bridgeLink, kind: 'openvswitch' }]) }), config()), []);
    assert.match(troubles(checkNeighbourReach(alone, config()))[0] as string, /^fail neighbours: br-vlan has no uplink and kernel\.routes is off/);
    const watch = '[{bridge: br-vlan, vlans: [100], ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: [203.0.113.0/24]}]';
    assert.equal(checkNeighbourReach(host({ bridges: tables([bridgeLink, { ...bond, vlans: [[1, 4094]] }]) }), config({ watch }))[0]?.result, 'ok');
    assert.equal(checkNeighbourReach(host({ bridges: tables([bridgeLink, { ...bond, vlans: [[1, 1]] }]) }), config({ watch }))[0]?.result, 'fail');
    assert.equal(checkNeighbourReach(alone, config({ kernel: '{routes: received}' }))[0]?.result, 'ok');
  });

  it('fails for a second BGP session with the same router, by whoever', () => {
    const connection = { state: 'established' as const, localAddress: '192.0.2.17', localPort: 40000, remoteAddress: '192.0.2.1', remotePort: 179 };
    const one = host({ connections: [connection], speakers: ['bird'] });
    assert.match(troubles(checkOtherSpeakers(one, config(), undefined))[0] as string, /^fail speakers: tor-a: the daemon does not answer, yet a BGP session/);
    assert.match(troubles(checkOtherSpeakers(one, config(), peers))[0] as string, /^warn speakers: bird runs on this node too/);
    assert.match(troubles(checkOtherSpeakers({ ...one, connections: [connection, { ...connection, localPort: 40001 }] }, config(), peers))[0] as string, /^fail speakers: tor-a: besides ours a BGP session/);
    assert.deepEqual(checkOtherSpeakers(host({ connections: [{ ...connection, remoteAddress: '192.0.2.9' }] }), config(), undefined), []);
  });

  it('reads the kernel\'s tables of TCP connections, both families', () => {
    const text = `  sl  local_address rem_address   st tx_queue rx_queue\n   0: 110200C0:9C40 010200C0:00B3 01 00000000:00000000\n   1: 00000000:00B3 00000000:0000 0A 0:0\n   2: 110200C0:9C41 010200C0:00B3 06 0:0\nbroken\n`;
    assert.deepEqual(parseTcpTable(text), [
      { state: 'established', localAddress: '192.0.2.17', localPort: 40000, remoteAddress: '192.0.2.1', remotePort: 179 },
      { state: 'listen', localAddress: '0.0.0.0', localPort: 179, remoteAddress: '0.0.0.0', remotePort: 0 },
    ]);
    const six = '   0: B80D0120000000000000000001000000:9C40 0000000000000000FFFF0000010200C0:00B3 01 0:0';
    assert.deepEqual(parseTcpTable(six).map(({ localAddress, remoteAddress }) => [localAddress, remoteAddress]), [['2001:db8::1', '192.0.2.1']]);
  });

  for (const [rule, expected] of [
    ['ip saddr 203.0.113.0/24 oifname "eth0" masquerade', 'rewrites'],
    ['-A POSTROUTING -s 203.0.0.0/16 ! -o br0 -j MASQUERADE', 'rewrites'],
    ['-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.17', 'may rewrite'],
    ['ip saddr { 10.0.0.0/8, 203.0.113.7 } snat to 192.0.2.17', 'rewrites'],
    ['ip saddr != 10.0.0.0/8 masquerade', 'may rewrite'],
    ['ip saddr @pods masquerade', 'may rewrite'],
    ['ip saddr 10.0.0.0/8 masquerade', undefined],
    ['-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE', undefined],
    ['ip saddr != 203.0.113.0/24 masquerade', undefined],
    ['ip6 saddr fd00::/8 masquerade', undefined],
    ['ip saddr 203.0.113.0/24 accept', undefined],
  ] as const) {
    it(`SNAT: ${rule} → ${expected ?? 'nothing'}`, () => {
      const found = troubles(checkSourceRewriting(host({ rewrites: parseRewrites(`table ip nat {\n  ${rule}\n}\n`) }), config()));
      assert.equal(found.length, expected === undefined ? 0 : 1, found.join('\n'));
      if (expected !== undefined) assert.ok((found[0] as string).startsWith(`warn snat: a rule ${expected} the source of packets from 203.0.113.0/24`), found[0]);
    });
  }

  it('SNAT: the fix names program, table and chain; what iptables wrote into nftables is told once, and the old tables too', () => {
    const nft = `# from nft
table ip nat {
  set snat {
    type ipv4_addr
    elements = { 203.0.113.9,
                 203.0.113.10 }
  }
  chain POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "br-vlan" ip saddr 203.0.113.0/24 counter packets 0 bytes 0 masquerade
  }
}
table inet mine {
  chain post {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "eth0" masquerade
  }
}
`;
    const save = (program: string, variant: string, rules: string) => `# from ${program}\n# Generated by ${program.replace('-legacy', '')} v1.8.9${variant} on Sat\n*nat\n:POSTROUTING ACCEPT [0:0]\n${rules}\nCOMMIT\n`;
    const fixes = (text: string): string[] => checkSourceRewriting(host({ rewrites: parseRewrites(text) }), config({ watch: '[{bridge: br-vlan, ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: [203.0.113.0/24, "2001:db8:100::/64"]}]' })).flatMap(({ fix }) => fix ?? []);
    const old = '-A POSTROUTING -s 203.0.113.0/24 ! -o br-vlan -j MASQUERADE';
    assert.deepEqual(fixes(nft + save('iptables-save', ' (nf_tables)', old) + save('ip6tables-legacy-save', '', '-A POSTROUTING -o eth0 -j MASQUERADE')), [
      'nft insert rule inet mine post ip saddr 203.0.113.0/24 return && nft insert rule inet mine post ip6 saddr 2001:db8:100::/64 return',
      'iptables -t nat -I POSTROUTING -s 203.0.113.0/24 -j RETURN', 'ip6tables-legacy -t nat -I POSTROUTING -s 2001:db8:100::/64 -j RETURN',
    ]);
    assert.deepEqual(fixes(save('iptables-save', '', old) + save('iptables-legacy-save', '', old)), ['iptables -t nat -I POSTROUTING -s 203.0.113.0/24 -j RETURN']);
  });

  for (const [first, expected] of [
    ['ip saddr 203.0.113.0/24 return', 0], ['ip saddr 203.0.0.0/16 counter packets 5 bytes 300 accept comment "VMs"', 0], ['ip saddr { 10.0.0.0/8, 203.0.113.0/24 } return', 0],
    ['ip saddr 203.0.113.0/25 return', 1], ['ip saddr != 203.0.113.0/24 return', 1], ['ip saddr 203.0.113.0/24 ip daddr 10.0.0.0/8 return', 1], ['ip saddr 203.0.113.0/24 counter packets 0 bytes 0', 1],
  ] as const) {
    it(`SNAT: ${first}, before the rule`, () => {
      const ruleset = (rules: readonly string[]) => `table ip nat {\n  chain post {\n    type nat hook postrouting priority srcnat; policy accept;\n${rules.join('\n')}\n  }\n}\n`;
      const found = (...rules: string[]): number => troubles(checkSourceRewriting(host({ rewrites: parseRewrites(ruleset(rules)) }), config())).length;
      assert.equal(found(first, 'oifname "rt0" masquerade'), expected);
      assert.equal(found(first, 'ip saddr 203.0.113.0/24 masquerade'), expected);
      assert.equal(found('oifname "rt0" masquerade', first), 1, 'it comes too late');
    });
  }

  it('SNAT: says so where the rules can\'t be read', () => {
    assert.match(troubles(checkSourceRewriting(host({ rewrites: { unread: 'nft: not permitted' } }), config()))[0] as string, /^skip snat: /);
  });

  it('fails where a VM could claim a router\'s address, warns where networks overlap', () => {
    const bgp = '{asn: 65010, peers: [{name: tor-a, address: 203.0.113.254, asn: 65010}]}';
    const state = tables([bridgeLink, { ...bond, master: undefined as never, name: 'eth0' }], [[3, '203.0.113.17'], [2, '203.0.113.1']]);
    assert.deepEqual(troubles(checkOwnAddresses(host(), state, config({ bgp }))).map((line) => line.slice(0, 60)), [
      "fail prefixes: tor-a's address 203.0.113.254 is inside watch[0", 'warn prefixes: 203.0.113.17 of eth0 is inside watch[0].prefix'].map((line) => line.slice(0, 60)));
    assert.deepEqual(troubles(checkOwnAddresses(host(), tables([bridgeLink], [[2, '203.0.113.1']]), config())), []);
  });

  it('warns of eBGP routers by what their profile needs', () => {
    const of = (profile: string): string[] => troubles(checkUpstream(config({ bgp: `{asn: 65010, peers: [{name: tor-b, address: 192.0.2.2, asn: 65001, routes: {profile: ${profile}}}]}`, migration: '{elevatedFor: 90s}' })));
    assert.match(of('window')[0] as string, /it must map 65010:200, 65010:100, 65010:50\. See: landfall tor-config tor-b$/);
    assert.match(of('ladder')[0] as string, /65010:200 to 65010:207 and 65010:50/);
    assert.match(of('sequence')[0] as string, /MED orders the nodes only where/);
    assert.deepEqual(of('prepend'), []);
    assert.deepEqual(checkUpstream(config()), []);
  });

  it('warns of a clock that nobody sets, and without a daemon of a state file that can\'t be written', () => {
    const found = troubles(examineHost(host({ clock: { wallTrusted: false, wallSynchronised: false }, stateFile: { path: '/var/lib/landfall/state.json', problem: 'its folder does not exist' } }), config(), undefined));
    assert.deepEqual(found.map((line) => line.split(':')[0]), ['warn clock', 'warn state']);
    assert.match(troubles(examineHost(host({ clock: { wallTrusted: true, wallSynchronised: false } }), config(), undefined))[0] as string, /clock: not synchronised: claims of nodes/);
    assert.equal(examineHost(host({ clock: { wallTrusted: true } }), config(), undefined).find(({ topic }) => topic === 'clock')?.text, 'set; whether it is synchronised may not be asked here');
  });

  it('fails where the native module is missing', () => {
    assert.match(troubles(examineHost(host({ nativeProblem: 'landfall\'s native module is not built' }), config(), undefined))[0] as string, /^fail native: landfall's native module is not built$/);
  });

  it('fails for a local port in VLANs that nobody watches', () => {
    const watch = (vlans: string) => config({ watch: `[{bridge: br-vlan, ${vlans} ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: [203.0.113.0/24]}]` });
    const of = (vlans: readonly (readonly [number, number])[] | undefined, watched: string) => checkPortVlans(findings([bridgeLink, bond, port(4, 'vnet4', vlans === undefined ? {} : { vlans })]), watch(watched));
    const [found] = of([[1, 1], [7, 9]], 'vlans: [100, 200-299],');
    assert.deepEqual([found?.result, found?.text], ['fail', 'vnet4 on br-vlan is in VLAN 1, 7-9, and none of that is watched: its VM is never announced']);
    assert.match(found?.fix ?? '', /^bridge vlan add dev vnet4 vid 100 pvid untagged;/);
    assert.match(of([], '')[0]?.text ?? '', /vnet4 on br-vlan is in no VLAN/);
    for (const [vlans, watched] of [[[[1, 1]], ''], [[[1, 1], [250, 260]], 'vlans: [100, 200-299],'], [undefined, 'vlans: [100],']] as const) assert.deepEqual(of(vlans, watched), []);
  });
});
