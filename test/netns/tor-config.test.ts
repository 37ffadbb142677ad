import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { findProgram, landfallCommand, must, run, stopAll } from '../../src/demo/processes.ts';
import { FrrTor } from '../../src/demo/tor-frr.ts';
import { Clos, asns, neighborsOf, routerIds, routerNames, type RouterName } from './clos.ts';
import { Lab, allOn, needs } from './lab.ts';

// What `landfall tor-config` prints is what the routers run here, to the letter; only what is the router's own (its id, its kernel) stands before it.

let folder = '';
before(() => { folder = mkdtempSync(join(tmpdir(), 'landfall-tor-config-')); });
after(() => rmSync(folder, { recursive: true, force: true }));

async function torConfig(nodeFile: string, peer: string, args: readonly string[]): Promise<string> {
  const file = join(folder, 'landfall.yaml');
  writeFileSync(file, nodeFile);
  const done = await run([...landfallCommand(), 'tor-config', peer, '-c', file, ...args]);
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

describe('tor-config', function () {
  this.timeout(120_000);

  for (const kind of ['frr', 'bird'] as const) {
    it(`${kind}: a rack over iBGP, a VM moves and moves back`, async function () {
      needs(this, kind);
      let text = '';
      const nodeFile = await fileOf();
      text = await torConfig(nodeFile.text, 'tor', ['--os', kind, ...nodeFile.nodes.flatMap((address) => ['--neighbor', address])]);
      const own = kind === 'frr' ? '' : birdsOwn('192.0.2.1');
      const lab = await Lab.start({ mode: 'l3', tors: [kind], peering: { type: 'ibgp' }, router: () => own + text });
      try {
        await lab.stage.boot([lab.vm], 'a');
        await lab.agree(allOn('a', [lab.vm]));
        for (const to of ['b', 'a'] as const) {
          await lab.stage.move(to, { leadMs: 300, keepSourceMs: 500 });
          await lab.agree(allOn(to, [lab.vm]));
        }
      } finally {
        await lab.stop();
      }
    });
  }

  for (const os of ['frr', 'bird'] as const) it(`${os}: a Clos with an AS for each router, profile ladder, there and back`, async function () {
    needs(this, os);
    const texts = new Map<RouterName, string>();
    const write = async (router: RouterName, nodeFile: string): Promise<void> => {
      const neighbors = neighborsOf(router);
      const args = router === 'spine'
        ? ['--role', 'spine', '--asn', '65100', ...neighbors.flatMap(({ address, asn }) => ['--neighbor', `${address}@${asn}`])]
        : neighbors.flatMap(({ address, asn, node }) => [node ? '--neighbor' : '--fabric', `${address}@${asn}`]);
      texts.set(router, await torConfig(nodeFile, router === 'tor2' ? 'tor2' : 'tor1', ['--os', os, ...args]));
    };
    for (const router of routerNames) await write(router, Clos.nodeFile(router === 'tor2' ? 'b' : 'a', folder, 'ladder'));
    const clos = await Clos.start({ profile: 'ladder', os, prefix: `lf${process.pid}t${os[0]}`, router: (router) => `${os === 'frr' ? frrsOwn(asns[router]) : birdsOwn(routerIds[router])}${texts.get(router)}` });
    try {
      await clos.stage.boot(clos.topology.vms, 'a');
      await clos.agree('a');
      for (const to of ['b', 'a'] as const) {
        await clos.stage.move(to, { leadMs: 100, keepSourceMs: 300 });
        await clos.agree(to);
      }
      for (const router of routerNames) assert.deepEqual(clos.watches[router].multipath, []);
    } finally {
      await clos.stop();
    }
  });

  it('frr: pasted on a router with other sessions, it leaves them and their policies as they are', async function () {
    needs(this, 'frr');
    const namespaces = new Namespaces(`lf${process.pid}p`);
    const frr = makeFolder();
    try {
      await namespaces.create('router', { forwarding: true });
      await new FrrTor(namespaces, { namespace: 'router', routerId: '', asn: 65001, peering: { type: 'ebgp' }, neighbors: [] }, frr, inUse).start();
      const vtysh = (...args: string[]): Promise<string> => must(['vtysh', '--vty_socket', frr, '-d', 'bgpd', ...args]);
      const running = async (): Promise<string[]> => (await vtysh('-c', 'show running-config')).split('\n').filter((line) => line.trim() !== '!' && line.trim() !== '');
      const before = await running();
      const paste = join(folder, 'paste.conf');
      writeFileSync(paste, await torConfig(nodeFileOf(65010, 65001, 'ladder'), 'tor', ['--os', 'frr']));
      await vtysh('-f', paste);
      const after = await running();
      assert.ok(after.some((line) => line.includes('route-map LANDFALL-IN in')), after.join('\n'));
      assert.deepEqual(before.filter((line) => !after.includes(line)), []);
      assert.deepEqual(after.filter((line) => /^ (no )?bgp /.test(line)), before.filter((line) => /^ (no )?bgp /.test(line)));
    } finally {
      await stopAll();
      await namespaces.removeAll();
      rmSync(frr, { recursive: true, force: true });
    }
  });

  it('every profile and role is accepted by the parsers of FRR, BIRD, GoBGP and OpenBGPD', async () => {
    for (const [asn, peerAsn, profile] of [[65010, 65010, 'sequence'], [65010, 65001, 'ladder'], [4200000017, 65001, 'window'], [65010, 65001, 'prepend']] as const) {
      const nodeFile = nodeFileOf(asn, peerAsn, profile);
      for (const role of ['tor', 'node', ...(asn === peerAsn ? [] : ['spine'])]) {
        for (const [os, check, bad] of parsers) {
          const program = os === 'openbgpd' ? openbgpd : findProgram(check[0] as string);
          if (program === undefined || (role === 'node' && (os === 'gobgp' || os === 'openbgpd'))) continue;
          const file = join(folder, 'router.conf');
          writeFileSync(file, await torConfig(nodeFile, 'tor', ['--os', os, '--role', role, ...(role === 'tor' ? ['--fabric', '192.0.2.9@65100'] : ['--neighbor', `192.0.2.6@${role === 'node' ? asn : 65001}`])]));
          const done = await run([program, ...check.slice(1).map((word) => (word === 'FILE' ? file : word))]);
          assert.ok(done.status === 0 && !bad.test(done.stdout + done.stderr), `${os}, ${profile}, ${role}: ${done.stdout}${done.stderr}`);
        }
      }
    }
  });
});

const nodeFileOf = (asn: number, peerAsn: number, profile: string): string => `apiVersion: landfall/v1
bgp:
  asn: ${asn}
  routerId: 192.0.2.2
  nextHop: {ipv4: 192.0.2.2, ipv6: "2001:db8::2"}
  peers: [{name: tor, address: 192.0.2.1, asn: ${peerAsn}, password: {env: KEY}, ttlSecurity: true, routes: {profile: ${profile}}}]
watch: [{bridge: br, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24, "2001:db8:100::/64"]}]
`;

/** A router that has sessions, one of them without a policy. */
const inUse = `route-map SPINE-IN permit 20
 set local-preference 150
router bgp 65001
 bgp router-id 192.0.2.1
 neighbor 192.0.2.9 remote-as 65100
 neighbor 198.51.100.7 remote-as 64999
 address-family ipv4 unicast
  network 198.18.0.0/16
  neighbor 192.0.2.9 route-map SPINE-IN in
`;

/** That policies may be left out is for the router to say. */
const frrsOwn = (asn: number): string => `router bgp ${asn}\n no bgp ebgp-requires-policy\n!\n`;

/** What of BIRD's configuration is its own. */
const birdsOwn = (routerId: string): string => `router id ${routerId};
protocol device { scan time 5; }
protocol kernel { merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel { merge paths on; ipv6 { import none; export where source = RTS_BGP; }; }
`;

/** FRR's has the same name. */
const openbgpd = ['/usr/sbin/bgpd'].find((path) => existsSync(path) && findProgram('bgpctl') !== undefined);

/** FRR's check ends with 0 whatever it finds, and says what it does not know. */
const parsers: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['frr', ['bgpd', '-C', '-f', 'FILE', '-P', '0'], /No such command|rror/],
  ['bird', ['bird', '-p', '-c', 'FILE'], /error/],
  ['gobgp', ['gobgpd', '-f', 'FILE', '-t', 'toml', '--dry-run'], /fatal/],
  ['openbgpd', ['bgpd', '-n', '-f', 'FILE'], /error/],
];

/** The configuration of a node in the laboratory's rack, and the addresses of both nodes. */
async function fileOf(): Promise<{ text: string; nodes: readonly string[] }> {
  let found: { text: string; nodes: readonly string[] } | undefined;
  const lab = await Lab.start({ mode: 'l3', tors: ['embedded'], peering: { type: 'ibgp' }, router: (_kind, text, nodes) => { found = { text, nodes }; return ''; } });
  await lab.stop();
  assert.ok(found !== undefined);
  return found;
}
