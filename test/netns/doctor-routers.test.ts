import assert from 'node:assert/strict';
import { cpSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { removeLeftovers } from '../../src/demo/namespaces.ts';
import { killAtExit, landfallCommand, run, stopAll, waitFor, type Daemon } from '../../src/demo/processes.ts';
import type { FrrTor } from '../../src/demo/tor-frr.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { DoctorPlace, findingOf, nodeOf, routerOf, say, type Row } from './doctor-routers-place.ts';
import { needs } from './lab.ts';

// Sessions between one node and FRR, each broken on purpose in another way: what doctor says of each, and that its fix is one.

const prefix = `lfdr${process.pid}`;
const mac = '52:54:00:aa:00:01';

/** FRR's side: what follows the neighbor below `router bgp` and its address families; `{key}` is the path of a file with a key. */
interface SessionRow extends Row {
  /** FRR has no such neighbor. */
  readonly unknown?: true;
  readonly neighbor?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** Keys of landfall's peer. */
  readonly peer?: Readonly<Record<string, string>>;
  /** What doctor's fix says: commands of FRR's terminal with `#` for the neighbor, other keys of landfall's peer. */
  readonly cure?: readonly string[];
  readonly mended?: Readonly<Record<string, string>>;
}

/** A router that is a BIRD, by a link of its own. */
const twin = { router: '10.8.200.1', node: '10.8.200.2' };
const twinConfig = (routerId: string): string => `router id ${routerId};
log stderr all;
protocol device { }
protocol bgp node { local ${twin.router} as 65010; neighbor ${twin.node} as 65010; direct; passive on; error wait time 1, 2; ipv4 { import all; export none; }; }
`;
const instance = 'router bgp 65001';
const rows: readonly SessionRow[] = [
  { name: 'other-as', kind: 'fail session', text: /^other-as is .*we and it disagree about AS numbers: .*Bad Peer AS/, fix: /^bgp\.peers\[other-as\]\.asn is 65002 and bgp\.asn is 65010/, peer: { asn: '65002' }, mended: {} },
  { name: 'other-id', kind: 'fail session', text: /^other-id is .*a BGP Identifier was refused: .*Bad BGP Identifier/, fix: /another speaker has our identifier, or the router has: set bgp\.routerId/,
    unknown: true, peer: { address: twin.router, asn: '65010', routes: '{profile: sequence}', timers: '{hold: 3s, connectRetry: 1s}' } },
  { name: 'patient', kind: 'fail session', text: /^patient is .*the hold time was refused: .*Unacceptable Hold Time/, fix: /^bgp\.peers\[patient\]\.timers\.hold: the router wants another/, peer: { timers: '{hold: 9s, connectRetry: 1s}' }, mended: {} },
  { name: 'role', kind: 'fail session', text: /^role is .*the roles do not fit: .*Role Mismatch/, fix: /^bgp\.peers\[role\]\.role: it must be the counterpart/, neighbor: 'local-role provider', peer: { role: 'provider' }, mended: { role: 'customer' } },
  { name: 'limit', kind: 'fail session', text: /^limit is .*the router's limit on prefixes was reached: .*Maximum Number of Prefixes/, fix: /^raise maximum-prefix at the router.*bgp\.peers\[limit\]\.maxPrefixes below it; then clear the neighbor there/,
    ipv4: 'maximum-prefix 2', cure: [instance, 'address-family ipv4 unicast', 'neighbor # maximum-prefix 1024 restart 1', 'exit-address-family', 'exit', 'do clear bgp #'] },
  { name: 'strange', kind: 'fail session', text: /^strange is .*the router does not know us: .*our OPEN had no answer/, fix: /^make this node a neighbor at the router, .*; bgp\.peers\[strange\]\.sourceAddress/,
    unknown: true, cure: [instance, 'neighbor # remote-as 65010', 'neighbor # passive', 'address-family ipv4 unicast', 'neighbor # activate'] },
  { name: 'shut', kind: 'fail session', text: /^shut is .*: (the router ended it on purpose|the router does not know us): /, fix: /^(enable the neighbor at the router|make this node a neighbor)/, neighbor: 'shutdown', cure: [instance, 'no neighbor # shutdown'] },
  { name: 'signed', kind: 'fail session', text: /^signed is .*TCP-AO/, fix: /bgp\.peers\[signed\]\.(password \(TCP MD5\) at both ends|tcpAo)/, peer: { tcpAo: '{keys: [{sendId: 1, key: {file: {key}}}]}' },
    mended: { password: '{file: {key}}' }, cure: [instance, 'neighbor # password doctor-and-frr'] },
  { name: 'key', kind: 'fail session', text: /^key is .*there is no answer, or no key: /, fix: /^ping 10\.8\.\d+\.1; compare bgp\.peers\[key\]\.password, ttlSecurity and the firewalls/, peer: { password: '{file: {key}}' }, cure: [instance, 'neighbor # password doctor-and-frr'] },
  { name: 'port', kind: 'fail session', text: /^port is .*nobody listens there: .*ECONNREFUSED/, fix: /^bgp\.peers\[port\]\.address and port/, peer: { port: '1790' }, mended: {} },
  { name: 'nowhere', kind: 'fail session', text: /^nowhere is .*there is no way to it: /, fix: /^ip route get 10\.99\.0\.1; bgp\.peers\[nowhere\]\.address/, peer: { address: '10.99.0.1' }, mended: {} },
  { name: 'source', kind: 'fail session', text: /^source is .*the source address is not this node's: /, fix: /^bgp\.peers\[source\]\.sourceAddress must be an address of this node/, peer: { sourceAddress: '10.99.0.2' }, mended: {} },
  { name: 'half', kind: 'warn session', text: /^half does not speak ipv6-unicast with us: no ipv6 routes are sent there/, fix: /^activate the family for this neighbor at the router, or leave it out of bgp\.peers\[half\]\.families/, peer: { families: '[ipv4-unicast, ipv6-unicast]', nextHop: '{ipv6: "2001:db8:8::2"}' },
    cure: [instance, 'address-family ipv6 unicast', 'neighbor # activate'] },
  { name: 'hop', kind: 'fail nexthop', text: /^hop: ipv6-unicast routes have no next hop and are not sent/, fix: /^set bgp\.nextHop\.ipv6/, ipv6: 'activate', peer: { families: '[ipv4-unicast, ipv6-unicast]' }, mended: { families: '[ipv4-unicast, ipv6-unicast]', nextHop: '{ipv6: "2001:db8:8::2"}' } },
  { name: 'near', kind: 'warn prefixes', text: /^near: 4 prefixes sent, 80 % of maxPrefixes \(5\) reached/, fix: /^raise the router's maximum-prefix, then bgp\.peers\[near\]\.maxPrefixes/, ipv4: 'maximum-prefix 5', peer: { maxPrefixes: '5' },
    mended: { maxPrefixes: '40' }, cure: [instance, 'address-family ipv4 unicast', 'neighbor # maximum-prefix 50 restart 1'] },
  { name: 'over', kind: 'fail prefixes', text: /^over: 1 prefixes are held back by maxPrefixes \(3\)/, fix: /^raise the router's maximum-prefix, then bgp\.peers\[over\]\.maxPrefixes/, ipv4: 'maximum-prefix 3', peer: { maxPrefixes: '3' },
    mended: { maxPrefixes: '40' }, cure: [instance, 'address-family ipv4 unicast', 'neighbor # maximum-prefix 50 restart 1'] },
];
/** Peers beside them: one with nothing wrong, and one whose session BIRD on the node has taken. */
const names = ['fine', 'taken', ...rows.map(({ name }) => name)];
const indexOf = (name: string): number => names.indexOf(name);
const taken: Row = { name: 'taken', kind: 'fail speakers', text: /^taken: besides ours a BGP session from 10\.8\.2\.2 to 10\.8\.2\.1 is up/, fix: /^end the other program's session \(bird\), or give this one its own bgp\.peers\[taken\]\.sourceAddress and neighbor at the router/ };

function frrConfig(): string {
  const here = rows.filter(({ unknown }) => unknown !== true);
  const known = names.filter((name) => name === 'fine' || name === 'taken' || here.some((row) => row.name === name)).map((name) => nodeOf(indexOf(name)));
  const lines = known.flatMap((node) => [`neighbor ${node} remote-as 65010`, `neighbor ${node} passive`, `neighbor ${node} advertisement-interval 0`]);
  const each = (of: (row: SessionRow) => string | undefined): string[] => here.flatMap((row) => { const line = of(row); return line === undefined ? [] : [`neighbor ${nodeOf(indexOf(row.name))} ${line}`]; });
  return `frr defaults traditional
router bgp 65001
 bgp router-id 10.8.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp minimum-holdtime 20
${[...lines, ...each(({ neighbor }) => neighbor)].map((line) => ` ${line}\n`).join('')} address-family ipv4 unicast
${[...known.map((node) => `neighbor ${node} activate`), ...each(({ ipv4 }) => ipv4)].map((line) => `  ${line}\n`).join('')} exit-address-family
 address-family ipv6 unicast
${each(({ ipv6 }) => ipv6).map((line) => `  ${line}\n`).join('')} exit-address-family
`;
}

describe('doctor and sessions that are broken on purpose, frr', function () {
  this.timeout(180_000);
  const place = new DoctorPlace(prefix);
  let frr: FrrTor;
  let bird: Daemon;
  let router: Daemon;
  let found: FindingItem[] = [];

  const nodeConfig = (isMended: boolean): string => `bgp:
  asn: 65010
  routerId: 10.8.0.2
  gracefulRestart: {enabled: false}
  timers: {hold: 30s, connectRetry: 1s}
  peers:
${names.map((name, i) => {
    const row = rows.find((one) => one.name === name);
    const keys = { name, address: routerOf(i), asn: '65001', families: '[ipv4-unicast]', ...(isMended ? row?.mended ?? row?.peer : row?.peer) };
    return `    - {${Object.entries(keys).map(([key, value]) => `${key}: ${value.replace('{key}', place.file('key'))}`).join(', ')}}\n`;
  }).join('')}routes: {profile: prepend}
watch: [{bridge: br-vlan, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24, "2001:db8:100::/64"]}]
identity: {bindings: [{vm: web, mac: "${mac}", ips: [203.0.113.11, 203.0.113.12, 203.0.113.13, 203.0.113.14, "2001:db8:100::11"]}]}
`;

  before(async function () {
    needs(this, 'frr', 'bird');
    writeFileSync(place.file('key'), 'doctor-and-frr\n', { mode: 0o600 });
    await place.build(names.length);
    await place.namespaces.create('twin');
    await place.namespaces.ip('twin', ['link add eth0 type veth peer name eth1 netns @node', `address add ${twin.router}/24 dev eth0`, 'link set eth0 up']);
    await place.namespaces.ip('node', [`address add ${twin.node}/24 dev eth1`, 'link set eth1 up']);
    router = await place.startBird('twin', twinConfig('10.8.0.2'));
    frr = await place.startFrr(frrConfig());
    bird = await place.startBird('node', `router id 10.8.0.3;\nlog stderr all;\nprotocol device { }\nprotocol bgp tor { local ${nodeOf(1)} as 65010; neighbor ${routerOf(1)} as 65001; direct; connect delay time 1; ipv4 { import none; export none; }; }\n`);
    await waitFor('the session of BIRD on the node', 30_000, async () => (await frr.established()).includes(nodeOf(1)), 200);
    await place.startNode(nodeConfig(false));
    await waitFor('a session', 60_000, async () => (await frr.established()).includes(nodeOf(0)), 200);
    await place.rarp(mac);
    found = await place.findAll([...rows, taken]);
  });
  after(() => place.remove());

  for (const row of [...rows, taken]) {
    it(`${row.name}: ${row.kind}`, () => {
      const finding = findingOf(found, row);
      assert.ok(finding !== undefined, say(found));
      assert.match(finding.fix ?? '', row.fix, finding.text);
    });
  }

  it('taken: the session itself is said to be refused for another one', () => {
    const session = found.find(({ topic, text }) => topic === 'session' && text.startsWith('taken '));
    assert.equal(session?.result, 'fail', say(found));
    assert.match(session?.text ?? '', /another session with our address: Cease \/ Connection Collision Resolution/);
    assert.match(session?.fix ?? '', /^end the other program's session .*or give this one its own bgp\.peers\[taken\]\.sourceAddress/);
  });

  it('a canary is said not to reach a router without a session, nor one whose limit is reached', async () => {
    const { status, stdout, stderr } = await place.cli('doctor', '--canary', '203.0.113.200', '--for', '2s');
    assert.equal(status, 1, stderr);
    assert.match(stdout, /^FAIL {2}canary {7}port session is \w+: nothing can be sent there$/m);
    assert.match(stdout, /^FAIL {2}canary {7}over the route is not sent \(landfall show why, landfall status say why\)$/m);
  });

  it('finds nothing wrong with the others', () => {
    assert.deepEqual(found.filter(({ result, text, topic }) => result !== 'ok' && topic !== 'upstream' && /\bfine\b/.test(text)), [], say(found));
  });

  it('finds each no more once it is mended as its fix says', async () => {
    await bird.stop();
    for (const row of rows) if (row.cure !== undefined) await place.vtysh('configure terminal', ...row.cure.map((line) => line.replace('#', nodeOf(indexOf(row.name)))));
    await place.reconfigure('twin', twinConfig('10.8.0.9'));
    await place.reload(nodeConfig(true));
    let items = await place.findNone([...rows, taken]);
    const left = (): FindingItem[] => items.filter(({ result, topic }) => result !== 'ok' && ['speakers', 'nexthop', 'prefixes', 'session'].includes(topic));
    const established = (): number => items.filter(({ topic, text }) => topic === 'session' && / established, /.test(text)).length;
    // One that the router has just cleared says so for a moment.
    await waitFor('every session', 60_000, async () => {
      items = await place.findings();
      return left().length === 0 && established() === names.length;
    }, 700).catch(() => undefined);
    assert.deepEqual(left(), [], say(items));
    assert.equal(established(), names.length);
  });

  it('a session that the router\'s operator has ended, however often it is tried since', async () => {
    const ended: Row = { name: 'fine', kind: 'fail session', text: /^fine is .*the router ended it on purpose: Cease \/ Administrative Shutdown \(6\/2\).*; since then: /, fix: /^enable the neighbor at the router$/ };
    await place.vtysh('configure terminal', instance, `neighbor ${nodeOf(0)} shutdown`);
    assert.match(findingOf(await place.findAll([ended]), ended)?.fix ?? '', ended.fix);
    await place.vtysh('configure terminal', instance, `no neighbor ${nodeOf(0)} shutdown`);
    await place.findNone([ended]);
  });

  it('another speaker on the node that has no session with our routers yet, or our port', async () => {
    const another: Row = { name: 'another', kind: 'warn speakers', text: /^bird runs on this node too: a session with a router that landfall peers with would collide with ours/, fix: /^let it peer from another address, or not with these routers/ };
    const port: Row = { name: 'port', kind: 'fail speakers', text: /^something listens on port 179 of this node already, and bgp\.listen is enabled/, fix: /^end it, or change bgp\.listen\.port/ };
    writeFileSync(place.file('listen.yaml'), `apiVersion: landfall/v1\n${nodeConfig(true).replace('  asn: 65010\n', '  asn: 65010\n  listen: {enabled: true}\n')}`);
    const alone = async (): Promise<FindingItem[]> => (JSON.parse((await run(place.namespaces.exec('node', [...landfallCommand(), '-c', place.file('listen.yaml'), '-s', place.file('nobody.sock'), 'doctor', '-o', 'json']))).stdout) as { items: FindingItem[] }).items;
    const speaker = await place.startBird('node', `router id 10.8.0.3;\nlog stderr all;\nprotocol device { }\nprotocol bgp tor { local ${nodeOf(1)} as 65010; neighbor 10.8.2.99 as 65001; direct; passive on; ipv4 { import none; export none; }; }\n`);
    assert.match(findingOf(await place.findAll([another]), another)?.fix ?? '', another.fix);
    const items = await alone();
    assert.match(findingOf(items, port)?.fix ?? '', port.fix, say(items));
    await speaker.stop();
    await place.findNone([another]);
    assert.equal(findingOf(await alone(), port), undefined);
  });

  it('a router that falls silent', async () => {
    const silent: Row = { name: 'other-id', kind: 'fail session', text: /^other-id is .*the router fell silent: .*Hold Timer Expired/, fix: /^ping 10\.8\.200\.1; is the router, or this node, overloaded\?/ };
    router.signal('SIGSTOP');
    try {
      assert.match(findingOf(await place.findAll([silent]), silent)?.fix ?? '', silent.fix);
    } finally {
      router.signal('SIGCONT');
    }
    await place.findNone([silent]);
  });

  it('says what bgp.receive none hides', async () => {
    const blind: Row = { name: 'blind', kind: 'skip reflected', text: /^bgp\.receive is none: handover times at the ToR cannot be measured/, fix: /^$/ };
    await place.reload(nodeConfig(true).replace('  asn: 65010\n', '  asn: 65010\n  receive: none\n'));
    await place.findAll([blind]);
    await place.reload(nodeConfig(true));
    await place.findNone([blind]);
  });

  it('signed: says that nobody could try, where there is no native module', async function () {
    const [node, cli] = landfallCommand() as [string, string];
    if (!cli.endsWith('dist/src/cli.js')) return this.skip();
    cpSync(cli.slice(0, -'/src/cli.js'.length), place.file('bare/dist'), { recursive: true });
    rmSync(place.file('bare/node_modules'), { force: true });
    symlinkSync(fileURLToPath(new URL('../../node_modules', import.meta.url)), place.file('bare/node_modules'));
    writeFileSync(place.file('signed.yaml'), `apiVersion: landfall/v1\n${nodeConfig(false)}`);
    const { stdout, stderr } = await run(place.namespaces.exec('node', [node, place.file('bare/dist/src/cli.js'), '-c', place.file('signed.yaml'), '-s', place.file('nobody.sock'), 'doctor']));
    assert.match(stdout, /^skip {2}session {6}signed: whether this kernel has TCP-AO can't be told: landfall's native module is not built: run `node native\/build\.mjs`/m, stderr);
  });
});

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
