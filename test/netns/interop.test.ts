import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, landfallCommand, must, run, stopAll, waitFor, type Finished } from '../../src/demo/processes.ts';
import type { ListReply, PeerItem, ReceivedItem } from '../../src/views/items.ts';
import { cells, hostPrefix, modes, nodeAsns, ours, reasonAgainst, routerAsn, routerKinds, routerNames, tableOf, theirs, type Cell, type Column, type Mode, type RouterKind } from './interop-cells.ts';
import type { InteropRouter } from './interop-place.ts';
import { createInteropRouter, programs } from './interop-routers.ts';

// Every router that Debian has × iBGP, eBGP × IPv4, IPv6, IPv4 over IPv6 × MD5, graceful restart, BFD: all sessions of a router at once, two
// daemons of landfall against one router. What a router cannot do is expected not to work, so that a table that has become false fails.
// LANDFALL_INTEROP_WRITE=1 writes the table into docs/interop.md; else it has to say what was found.

const prefix = `lfi${process.pid}`;
const page = fileURLToPath(new URL('../../docs/interop.md', import.meta.url));
const found = new Map<string, string>();
const names = (some: readonly Cell[]): string[] => some.map(({ name }) => name).sort();
const unknown = cells.filter(({ feature }) => feature === 'wrong-key');

/** landfall on the node of one mode. */
class Node {
  readonly mode: Mode;
  readonly #namespaces: Namespaces;
  readonly #folder: string;
  readonly #kind: RouterKind;
  #daemon: Daemon | undefined;

  constructor(namespaces: Namespaces, folder: string, kind: RouterKind, mode: Mode) {
    this.mode = mode;
    this.#namespaces = namespaces;
    this.#folder = join(folder, mode);
    this.#kind = kind;
    mkdirSync(this.#folder);
  }

  get cells(): readonly Cell[] {
    return cells.filter(({ mode }) => mode === this.mode);
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }

  #config(): string {
    const peers = this.cells.map((cell) => {
      const key = cell.ourKey ?? cell.key;
      if (key !== undefined) writeFileSync(this.#file(`key-${cell.name}`), key, { mode: 0o600 });
      const bfd = cell.feature === 'bfd' && reasonAgainst(this.#kind, 'v4', 'bfd') === undefined;
      return `    - {name: ${cell.name}, address: "${cell.router}", sourceAddress: "${cell.node}", asn: ${routerAsn}, families: [${cell.family}], timers: {hold: 9s, connectRetry: 1s}${
        key === undefined ? '' : `, password: {file: ${this.#file(`key-${cell.name}`)}}`}${bfd ? ', bfd: {minTx: 300ms, minRx: 300ms, multiplier: 3}' : ''}}\n`;
    });
    return `apiVersion: landfall/v1
node: {name: node-${this.mode}}
bgp:
  asn: ${nodeAsns[this.mode]}
  routerId: 192.0.2.${this.mode === 'ibgp' ? 2 : 3}
  listen: {enabled: ${this.#kind === 'exabgp' || this.#kind === 'openbgpd'}}
  gracefulRestart: {restartTime: 60s}
  peers:
${peers.join('')}watch:
  - {bridge: br0, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24, "2001:db8:f::/64"]}
routes: {profile: sequence}
state: {file: ${this.#file('state.json')}}
log: {level: info, format: json}
api: {socket: ${this.#file('landfall.sock')}, mode: "0600"}
telemetry: {listen: off}
`;
  }

  async start(): Promise<void> {
    writeFileSync(this.#file('landfall.yaml'), this.#config());
    this.#daemon = new Daemon(`landfall ${this.mode}`, this.#inside([...landfallCommand(), 'run', '-c', this.#file('landfall.yaml')]), { log: this.#file('landfall.log') });
    await waitFor('landfall answers', 30_000, async () => {
      if (this.#daemon?.alive !== true) throw new Error(`landfall ended: ${this.#daemon?.tail}`);
      return (await this.cli('status')).status === 0;
    }, 200);
  }

  #inside(command: readonly string[]): string[] {
    return this.#namespaces.exec(this.mode, command);
  }

  cli(...args: string[]): Promise<Finished> {
    return run(this.#inside([...landfallCommand(), '--socket', this.#file('landfall.sock'), ...args]));
  }

  async peers(): Promise<PeerItem[]> {
    return (JSON.parse((await this.cli('show', 'peers', '-o', 'json')).stdout) as ListReply<PeerItem>).items;
  }

  async received(): Promise<ReceivedItem[]> {
    return (JSON.parse((await this.cli('show', 'received', '-o', 'json')).stdout) as ListReply<ReceivedItem>).items;
  }

  async kill(): Promise<void> {
    await this.#daemon?.stop('SIGKILL');
  }

  nft(text: string): Promise<string> {
    return must(this.#inside(['nft', text]));
  }
}

for (const kind of routerKinds) {
  describe(`interworking, ${routerNames[kind]}`, function () {
    this.timeout(120_000);
    const namespaces = new Namespaces(`${prefix}${kind.slice(0, 2)}`);
    const folder = makeFolder();
    let nodes: readonly Node[] = [];
    let router: InteropRouter;

    /** Waits until exactly the cells that can are seen, and writes them down; a cell that cannot has its reason there. */
    const expect = async (column: Column, some: readonly Cell[], seen: () => Promise<(cell: Cell) => boolean>, timeoutMs: number): Promise<void> => {
      const able = some.filter(({ transport }) => reasonAgainst(kind, transport, column) === undefined);
      let got: string[] = [];
      const right = async (): Promise<boolean> => {
        got = names(some.filter(await seen()));
        return JSON.stringify(got) === JSON.stringify(names(able));
      };
      await waitFor(column, timeoutMs, right, 300).catch(async () => {
        const peers = (await Promise.all(nodes.map((node) => node.peers()))).flat().map(({ name, state, lastError, bfd }) => ({ name, state, lastError, bfd: bfd?.state }));
        assert.deepEqual(got, names(able), `${column}: ${JSON.stringify(peers)}`);
      });
      for (const { mode, transport } of some) found.set(`${kind} ${mode} ${transport} ${column}`, reasonAgainst(kind, transport, column) ?? 'ok');
    };
    /** Cells whose session both sides call up, with the routes of both at the other. */
    const whole = async (): Promise<(cell: Cell) => boolean> => {
      const [up, at, peers, received] = await Promise.all([
        router.established(), router.received(), Promise.all(nodes.map((node) => node.peers())), Promise.all(nodes.map((node) => node.received())),
      ]);
      const established = new Set(peers.flat().filter(({ state }) => state === 'established').map(({ name }) => name));
      const here = new Set(received.flat().map(({ peer, prefix: each }) => `${peer} ${each}`));
      return ({ name, node, family }) => established.has(name) && up.has(node) && at.has(`${node} ${hostPrefix(ours[family])}`) && here.has(`${name} ${hostPrefix(theirs[family])}`);
    };
    const having = (feature: Cell['feature']): Cell[] => cells.filter((cell) => cell.feature === feature);

    before(async function () {
      const missing = process.geteuid?.() !== 0 ? ['root'] : [...programs[kind], 'nft'].filter((program) => findProgram(program) === undefined);
      if (missing.length > 0) {
        if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
        process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
        return this.skip();
      }
      await namespaces.create('router');
      for (const mode of modes) {
        await namespaces.create(mode);
        const own = cells.filter((cell) => cell.mode === mode);
        const addresses = (device: string, end: 'router' | 'node'): string[] => own.map((cell) => `address add ${cell[end]}/${cell[end].includes(':') ? '64 nodad' : '24'} dev ${device}`);
        await namespaces.ip('router', [`link add ${mode} type veth peer name eth0 netns @${mode}`, `link set ${mode} up`, ...addresses(mode, 'router')]);
        await namespaces.ip(mode, ['link add br0 type bridge', 'link set br0 up', 'link set eth0 up', ...addresses('eth0', 'node')]);
      }
      nodes = modes.map((mode) => new Node(namespaces, folder, kind, mode));
      router = createInteropRouter(kind, { namespaces, namespace: 'router', folder });
      await router.start();
      await Promise.all(nodes.map((node) => node.start()));
      for (const node of nodes) for (const address of Object.values(ours)) assert.equal((await node.cli('announce', address)).status, 0);
    });

    after(async () => {
      await stopAll();
      await namespaces.removeAll();
      if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
    });

    it('has sessions and routes both ways', () => expect('routes', having('plain'), whole, 40_000));

    it('has them with a key, and none where the keys differ', async () => {
      await expect('md5', having('md5'), whole, 20_000);
      const up = await router.established();
      assert.deepEqual(unknown.filter(({ node }) => up.has(node)), []);
    });

    it('has BFD, and without its packets no session', async () => {
      const able = having('bfd').filter(({ transport }) => reasonAgainst(kind, transport, 'bfd') === undefined);
      await expect('bfd', having('bfd'), async () => {
        const [routes, bfd, peers] = await Promise.all([whole(), router.bfdUp(), Promise.all(nodes.map((node) => node.peers()))]);
        const here = new Set(peers.flat().filter((peer) => peer.bfd?.state === 'up').map(({ name }) => name));
        return (cell) => routes(cell) && bfd.has(cell.node) && here.has(cell.name);
      }, 20_000);
      if (able.length === 0) return;
      await Promise.all(nodes.map((node) => node.nft('add table inet cut; add chain inet cut in { type filter hook input priority 0; }; add rule inet cut in udp dport 3784 drop')));
      await waitFor('the router to lose those sessions', 8000, async () => {
        const up = await router.established();
        return able.every(({ node }) => !up.has(node));
      }, 200);
      const up = await router.established();
      assert.deepEqual(names(having('plain').filter(({ node, transport }) => reasonAgainst(kind, transport, 'routes') === undefined && !up.has(node))), [], 'sessions without BFD stay');
      await Promise.all(nodes.map((node) => node.nft('delete table inet cut')));
    });

    it('keeps the routes of a speaker that is killed until it is back', async () => {
      await Promise.all(nodes.map((node) => node.kill()));
      await waitFor('the router to see it', 12_000, async () => {
        const up = await router.established();
        return having('plain').every(({ node }) => !up.has(node));
      }, 200);
      const kept = await router.received();
      await Promise.all(nodes.map((node) => node.start()));
      await expect('gr', having('plain'), async () => {
        const back = await whole();
        return (cell) => back(cell) && kept.has(`${cell.node} ${hostPrefix(ours[cell.family])}`);
      }, 60_000);
    });
  });
}

describe('interworking', () => {
  it('is what docs/interop.md says', () => {
    const text = readFileSync(page, 'utf8');
    const [from, to] = [text.indexOf('<!-- table -->\n') + '<!-- table -->\n'.length, text.indexOf('<!-- end -->')];
    if (process.env['LANDFALL_INTEROP_WRITE'] === '1') writeFileSync(page, `${text.slice(0, from)}${tableOf(found)}\n${text.slice(to)}`);
    else assert.equal(text.slice(from, to), `${tableOf(found)}\n`);
  });
});

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
