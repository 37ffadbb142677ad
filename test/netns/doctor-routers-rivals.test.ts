import assert from 'node:assert/strict';
import { removeLeftovers } from '../../src/demo/namespaces.ts';
import { killAtExit, stopAll, waitFor } from '../../src/demo/processes.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { DoctorPlace, findingOf, nodeOf, routerOf, say, type Row } from './doctor-routers-place.ts';
import { needs } from './lab.ts';

// A router for each thing that it can show against a profile, all of them tables of one BIRD: what doctor says, and that its fix is one.

const prefix = `lfdv${process.pid}`;
const mac = '52:54:00:aa:00:01';
/** A quarter of an hour ago, so that our own claims are newer. */
const sequence = Math.floor((Date.now() - Date.UTC(2020, 0, 1)) / 1000) - 900;
const other = '10.9.9.9';

/** Marks of a claim in BIRD's words. */
function marks(node: string, claimed = sequence): string {
  const identifier = node.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return [[1 << 24, claimed], [3 << 24, identifier]].map((words) => `bgp_large_community.add((65010, ${words.join(', ')}));`).join(' ');
}

interface RivalRow extends Row {
  readonly profile: 'sequence' | 'ladder' | 'window' | 'prepend';
  /** The last octet of the address that another node has at this router; `many`: more than we keep. */
  readonly address?: number | 'many';
  /** What BIRD does to that route. */
  readonly route?: string;
  /** The same after the fix; `gone`: the route is gone. */
  readonly cured?: string;
  readonly ibgp?: true;
  readonly peer?: string;
  /** Our own profile after the fix. */
  readonly mended?: 'ladder';
}

/** VMs that are here, and that others have a route to as well. */
const ours = [31, 32, 33, 34];
const on = (community: number): string => `bgp_community.add((65010, ${community}));`;
const rows: readonly RivalRow[] = [
  { name: 'med', profile: 'sequence', kind: 'warn fabric', text: /^med: 10\.9\.9\.9's routes reach this router from AS 65012, ours from AS 65010: it does not compare their MED/, fix: /^use profile ladder, or prepend where routers can't be configured, on every node/,
    address: 51, route: `bgp_path.prepend(65012); ${marks(other)}`, mended: 'ladder', cured: `bgp_path.prepend(65012); ${marks(other)} ${on(200)}` },
  { name: 'far', profile: 'prepend', kind: 'warn fabric', text: /^far: 10\.9\.9\.9 is 4 ASes away from this router: a normal claim of ours with 3 prepends would win/, fix: /^set routes\.prepend: 4 on every node/,
    address: 52, route: `${[65012, 65201, 65200, 65202].map((asn) => `bgp_path.prepend(${asn});`).join(' ')} ${marks(other)}` },
  { name: 'strip', profile: 'ladder', kind: 'warn fabric', text: /^strip: 10\.9\.9\.9's claim comes without a step of the ladder/, fix: /^send communities of all kinds \(FRR: send-community all\) on all routers between the nodes, and one profile on every node/,
    address: 53, route: `bgp_path.prepend(65012); ${marks(other)}`, cured: `bgp_path.prepend(65012); ${marks(other)} ${on(200)}` },
  { name: 'level', profile: 'window', kind: 'warn fabric', text: /^level: 10\.9\.9\.9's claim comes without the community of a level/, fix: /^send communities of all kinds \(FRR: send-community all\) on all routers/,
    address: 54, route: `bgp_path.prepend(65012); ${marks(other)}`, cured: `bgp_path.prepend(65012); ${marks(other)} ${on(100)}` },
  { name: 'policy', profile: 'sequence', ibgp: true, kind: 'warn fabric', text: /^policy: 10\.9\.9\.9's claim comes with LOCAL_PREF 100, not with its sequence \d+: an inbound policy rewrites LOCAL_PREF/, fix: /^remove the policy at the router, or use profile window with it/,
    address: 55, route: `bgp_local_pref = 100; ${marks(other)}`, cured: `bgp_local_pref = ${sequence}; ${marks(other)}` },
  { name: 'tie', profile: 'window', kind: 'warn fabric', text: /^tie: 203\.0\.113\.31\/32: 10\.9\.9\.9 is still elevated: a second move within elevatedFor ties in profile window/, fix: /^keep moves of one VM further apart than migration\.elevatedFor; ladder and sequence order many moves/,
    address: 31, route: `bgp_path.prepend(65010); ${marks(other)} ${on(200)}`, cured: `bgp_path.prepend(65010); ${marks(other)} ${on(100)}` },
  { name: 'top', profile: 'ladder', kind: 'warn fabric', text: /^top: 203\.0\.113\.32\/32: 10\.9\.9\.9 stands on the top of the ladder: routers can't tell our claim from its/, fix: /^let its moves pause: .*routes\.ladder\.communities/,
    address: 32, route: `bgp_path.prepend(65010); ${marks(other)} ${on(207)}` },
  { name: 'static', profile: 'sequence', kind: 'warn fabric', text: /^static: 203\.0\.113\.33\/32, which we claim, also comes without landfall's marks \(next hop 10\.8\.\d+\.1, without MED, which beats every MED\): routers may prefer it/, fix: /^remove that route at 10\.8\.\d+\.1, or where the router has it from/,
    address: 33, route: '' },
  { name: 'inside', profile: 'sequence', ibgp: true, kind: 'warn fabric', text: /^inside: 203\.0\.113\.34\/32, which we claim, also comes without landfall's marks \(next hop 10\.8\.\d+\.1\): routers may prefer it/, fix: /^remove that route at/, address: 34, route: '' },
  { name: 'future', profile: 'sequence', ibgp: true, kind: 'fail future', text: /^future: 203\.0\.113\.56\/32 has sequence 2147483647, more than a day ahead of our clock \(node 10\.9\.9\.9\): not obeyed/, fix: /^set that node's clock, then there: landfall clear 203\.0\.113\.56\/32/,
    address: 56, route: `bgp_local_pref = 2147483647; ${marks(other, 2147483647)}`, cured: `bgp_local_pref = ${sequence}; ${marks(other)}` },
  { name: 'self', profile: 'sequence', ibgp: true, kind: 'fail identifier', text: /^self shows 203\.0\.113\.57\/32 with our BGP Identifier 10\.8\.0\.2 and next hop 10\.8\.\d+\.1, and we never sent it/, fix: /^leave bgp\.routerId out .*or give the node at 10\.8\.\d+\.1 another one/,
    address: 57, route: `bgp_local_pref = ${sequence}; ${marks('10.8.0.2')}`, cured: `bgp_local_pref = ${sequence}; ${marks(other)}` },
  { name: 'full', profile: 'sequence', ibgp: true, kind: 'warn prefixes', text: /^full: 1 received routes were beyond the limit and not kept/, fix: /^let the router send VM prefixes only, then reset the session/, address: 'many', route: '' },
  { name: 'watched', profile: 'sequence', ibgp: true, kind: 'warn bfd', text: /^watched: BFD is down.*: a node that dies keeps its routes until the hold time \(9 s\) is over/, fix: /^enable BFD for this neighbor at the router, let UDP port 3784 through both ways, or leave bgp\.peers\[watched\]\.bfd out/, peer: 'bfd: {}' },
];
/** Found of no peer: our claim beside the one on the top. */
const crest: Row = { name: 'crest', kind: 'warn fabric', text: /^1 claims stand on the top of the ladder: their next move ties until they settle/, fix: /^let its moves pause: a claim steps down after migration\.elevatedFor without a rival in sight/ };
const upstream = ([['window', 'level', /level is eBGP: LOCAL_PREF is not carried; it must map 65010:200, 65010:100, 65010:50\. See: landfall tor-config level/],
  ['ladder', 'strip', /strip is eBGP: .*it must map 65010:200 to 65010:207 and 65010:50\. See: landfall tor-config strip/],
  ['sequence', 'static', /static is eBGP: .*MED orders the nodes only where all of them are in one AS/]] as const).map(([profile, name, text]): Row => ({ name: `${profile} at ${name}`, kind: 'warn upstream', text, fix: /^$/ }));

const many = 50_001;
function routesOf({ address }: RivalRow, cured: boolean): string {
  if (address === undefined) return '';
  if (address !== 'many') return `route 203.0.113.${address}/32 blackhole;`;
  return cured ? '' : Array.from({ length: many }, (_, i) => `route 10.64.${i >> 8}.${i & 255}/32 blackhole;`).join('\n');
}

function birdConfig(cured: boolean): string {
  const one = (row: RivalRow, i: number): string => {
    const { name, ibgp, address, route, mended } = row;
    const asn = ibgp === true ? 65010 : 65100 + i;
    const there = !cured || row.cured !== undefined || mended !== undefined || name === 'far';
    return `
ipv4 table t${i};
protocol static s${i} { ipv4 { table t${i}; import filter { ${(cured ? row.cured : undefined) ?? route ?? ''} accept; }; }; ${there || address === 'many' ? routesOf(row, cured) : ''} }
protocol bgp r${i} { local ${routerOf(i)} as ${asn}; neighbor ${nodeOf(i)} as 65010; direct; passive on; hold time 9; error wait time 1, 2;${row.peer !== undefined && cured ? ' bfd on;' : ''} ipv4 { table t${i}; import all; export where source = RTS_STATIC; }; }`;
  };
  return `router id 10.8.0.1;\nlog stderr all;\nprotocol device { }\n${cured ? 'protocol bfd { interface "eth0" { min rx interval 300 ms; min tx interval 300 ms; }; }\n' : ''}${rows.map(one).join('\n')}\n`;
}

const nodeConfig = (cured: boolean): string => `bgp:
  asn: 65010
  routerId: 10.8.0.2
  gracefulRestart: {enabled: false}
  timers: {hold: 9s, connectRetry: 1s}
  peers:
${rows.map(({ name, profile, ibgp, peer, mended }, i) => `    - {name: ${name}, address: ${routerOf(i)}, asn: ${ibgp === true ? 65010 : 65100 + i}, families: [ipv4-unicast], routes: {profile: ${cured ? mended ?? profile : profile}}${peer === undefined ? '' : `, ${peer}`}}\n`).join('')}routes: {prepend: ${cured ? 4 : 3}}
migration: {elevatedFor: 10s}
watch: [{bridge: br-vlan, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24, 10.64.0.0/16]}]
identity: {bindings: [{vm: web, mac: "${mac}", ips: [${ours.map((last) => `203.0.113.${last}`).join(', ')}]}]}
`;

describe('doctor and routers that show what no profile can order, bird', function () {
  this.timeout(180_000);
  const place = new DoctorPlace(prefix);
  let found: FindingItem[] = [];

  before(async function () {
    needs(this, 'bird');
    await place.build(rows.length);
    await place.startBird('router', birdConfig(false));
    await place.startNode(nodeConfig(false));
    await waitFor('the sessions', 60_000, async () => (await place.birdc('router', 'show protocols')).split('\n').filter((line) => / BGP .* Established/.test(line)).length === rows.length, 300);
    await waitFor('the routes', 60_000, async () => (await place.cli('show', 'received', '--peer', 'inside')).stdout.includes('203.0.113.34'), 300);
    await place.rarp(mac);
    found = await place.findAll([...rows, crest, ...upstream]);
  });
  after(() => place.remove());

  for (const row of [...rows, crest, ...upstream]) {
    it(`${row.name}: ${row.kind}`, () => {
      const finding = findingOf(found, row);
      assert.ok(finding !== undefined, say(found));
      assert.match(finding.fix ?? '', row.fix, finding.text);
    });
  }

  it('finds each no more once it is mended as its fix says', async () => {
    await place.reconfigure('router', birdConfig(true));
    await place.birdc('router', `restart r${rows.findIndex(({ name }) => name === 'full')}`);
    await place.reload(nodeConfig(true));
    const items = await place.findNone([...rows, crest]);
    assert.match(items.find(({ topic }) => topic === 'future')?.text ?? '', /^1 routes with a sequence more than a day ahead of our clock came, and are gone/, say(items));
  });
});

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
