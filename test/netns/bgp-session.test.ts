import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ip, type Prefix } from '../../net/ip.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, must, sleep, stopAll, waitFor } from '../../src/demo/processes.ts';
import { makeFolder } from '../../src/demo/folder.ts';
import type { DrivenSession, Order, Said } from './session-driver.ts';
import { createRouter, familiesOf, routerAsn, type Neighbor, type Router, type RouterKind } from './session-router.ts';

// The BGP session alone against FRR, BIRD and GoBGP: one router with a neighbor for each case below, one process with our end of each.
// What is true is what the router says.

interface Case {
  readonly name: string;
  readonly family: 4 | 6;
  /** Ours. */
  readonly asn: number;
  readonly here?: Partial<Pick<DrivenSession, 'md5' | 'ttlSecurity' | 'multihop' | 'listen' | 'passive' | 'gracefulRestart'>>;
  readonly there?: Partial<Neighbor>;
  /** What our LAST ERROR says when no session comes up; otherwise one does. */
  readonly refused?: RegExp;
  /**
   * Routers set the least TTL on a connection after they accepted it. Our first words may be heard before that, so that we believe in a
   * session for a Hold Time; the router does not.
   */
  readonly deaf?: true;
}

const ebgp = 65010;
const silence = /no answer.*MD5 key or TTL/;
/** Routers answer the SYN with TTL 255 and say all else with less. */
const tooFar = /no answer.*MD5 key or TTL|no OPEN .*TTL/;
const cases: readonly Case[] = [
  { name: 'iBGP', family: 4, asn: routerAsn },
  { name: 'iBGP', family: 6, asn: routerAsn },
  { name: 'iBGP with graceful restart', family: 4, asn: routerAsn, here: { gracefulRestart: { restartTimeSeconds: 5, restarting: false, forwardingPreserved: true } } },
  { name: 'eBGP', family: 4, asn: ebgp },
  { name: 'eBGP', family: 6, asn: ebgp },
  { name: 'eBGP from a 4-octet AS', family: 4, asn: 4200000017 },
  { name: 'the right MD5 key', family: 4, asn: routerAsn, here: { md5: 'correct' }, there: { md5: 'correct' } },
  { name: 'the right MD5 key', family: 6, asn: ebgp, here: { md5: 'correct' }, there: { md5: 'correct' } },
  { name: 'a wrong MD5 key', family: 4, asn: ebgp, here: { md5: 'wrong' }, there: { md5: 'correct' }, refused: silence },
  { name: 'a wrong MD5 key', family: 6, asn: routerAsn, here: { md5: 'wrong' }, there: { md5: 'correct' }, refused: silence },
  { name: 'no MD5 key here', family: 4, asn: ebgp, there: { md5: 'correct' }, refused: silence },
  { name: 'no MD5 key there', family: 4, asn: ebgp, here: { md5: 'correct' }, refused: silence },
  { name: 'TTL security at both ends', family: 4, asn: ebgp, here: { ttlSecurity: true }, there: { ttlSecurity: true } },
  { name: 'TTL security at both ends', family: 6, asn: ebgp, here: { ttlSecurity: true }, there: { ttlSecurity: true } },
  { name: 'TTL security there, TTL 64 here', family: 4, asn: ebgp, here: { multihop: 64 }, there: { ttlSecurity: true }, refused: /Hold Timer Expired|no OPEN .*TTL|no answer.*TTL/, deaf: true },
  { name: 'TTL security here, TTL 64 there', family: 4, asn: ebgp, here: { ttlSecurity: true }, there: { multihop: 64 }, refused: tooFar },
  { name: 'TTL security here, TTL 64 there', family: 6, asn: ebgp, here: { ttlSecurity: true }, there: { multihop: 64 }, refused: tooFar },
  { name: 'both dial', family: 4, asn: routerAsn, here: { listen: true }, there: { passive: false } },
  { name: 'both dial', family: 6, asn: ebgp, here: { listen: true }, there: { passive: false } },
  { name: 'both dial, with a key', family: 4, asn: ebgp, here: { listen: true, md5: 'correct' }, there: { passive: false, md5: 'correct' } },
  { name: 'the router dials', family: 4, asn: ebgp, here: { listen: true, passive: true }, there: { passive: false } },
  { name: 'the router dials', family: 6, asn: routerAsn, here: { listen: true, passive: true }, there: { passive: false } },
  { name: 'an AS that the router does not expect', family: 4, asn: ebgp, there: { asn: 65099 }, refused: /Bad Peer AS \(2\/2\)/ },
];

const routerAddress = { 4: ip('192.0.2.1'), 6: ip('2001:db8::1') };
const addressOf = (index: number): string => (cases[index]!.family === 4 ? `192.0.2.${100 + index}` : `2001:db8::${100 + index}`);
const prefixOf = (index: number): Prefix => (cases[index]!.family === 4 ? `203.0.113.${index}/32` : `2001:db8:f::${index.toString(16)}/128`) as Prefix;
const up = cases.flatMap((each, index) => (each.refused === undefined ? [index] : []));
const prefix = `lfs${process.pid}`;

class Ring {
  readonly router: Router;
  readonly said = new Map<string, Said>();
  readonly #namespaces: Namespaces;
  readonly #folder = makeFolder();
  #driver: Daemon | undefined;

  readonly kind: RouterKind;

  constructor(kind: RouterKind) {
    this.kind = kind;
    this.#namespaces = new Namespaces(`${prefix}${kind}`);
    this.router = createRouter(kind, this.#namespaces, 'router', this.#folder, cases.map(({ family, asn, there }, index) => (
      { address: addressOf(index), localAddress: routerAddress[family], asn, passive: true, ttlSecurity: false, ...there })));
  }

  async start(): Promise<void> {
    const namespaces = this.#namespaces;
    for (const name of ['router', 'node']) await namespaces.create(name);
    await namespaces.ip('router', [
      'link add eth0 type veth peer name eth0 netns @node', 'link set eth0 up', 'address add 192.0.2.1/24 dev eth0', 'address add 2001:db8::1/64 dev eth0 nodad',
    ]);
    await namespaces.ip('node', ['link set eth0 up', ...cases.map(({ family }, index) => `address add ${addressOf(index)}/${family === 4 ? 24 : '64 dev eth0 nodad'}${family === 4 ? ' dev eth0' : ''}`)]);
    await this.router.start();
    const sessions = cases.map(({ family, asn, here }, index): DrivenSession => ({
      name: String(index), localAddress: ip(addressOf(index)), peerAddress: routerAddress[family], localAsn: asn, peerAsn: routerAsn,
      bgpIdentifier: ip(`10.0.0.${100 + index}`), families: familiesOf(this.kind, addressOf(index)), holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 2,
      passive: false, listen: false, ttlSecurity: false, ...here,
    }));
    const script = fileURLToPath(new URL('./session-driver.ts', import.meta.url));
    this.#driver = new Daemon('driver', namespaces.exec('node', [process.execPath, '--import', 'tsx', script, JSON.stringify(sessions)]), {
      onLine: (line) => {
        const said = JSON.parse(line) as Said;
        this.said.set(said.name, said);
      },
    });
    await waitFor('the driver', 15_000, () => this.said.size === cases.length || this.#driver?.alive === false);
    assert.ok(this.#driver.alive, this.#driver.tail);
  }

  of(index: number): Said {
    return this.said.get(String(index)) as Said;
  }

  tell(order: Order): void {
    this.#driver?.tell(order);
  }

  /** Waits until the router, and we, say that a session is up. */
  async isUp(index: number, timeoutMs = 20_000): Promise<void> {
    await waitFor(`session ${index}`, timeoutMs, async () => this.of(index).fsm === 'Established' && (await this.router.established()).includes(addressOf(index)), 200)
      .catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(this.of(index))}`));
  }

  /** TCP connections of a session, as the kernel of the node has them. */
  async connections(index: number): Promise<number> {
    const text = await must(this.#namespaces.exec('node', ['ss', '-Htn', 'state', 'established', 'src', cases[index]!.family === 4 ? addressOf(index) : `[${addressOf(index)}]`]));
    return text.split('\n').filter((line) => line.trim() !== '').length;
  }

  async stop(): Promise<void> {
    await this.#driver?.stop();
    await this.router.stop('SIGKILL');
    await stopAll();
    await this.#namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.#folder, { recursive: true, force: true });
  }
}

const programs: Record<RouterKind, readonly string[]> = { frr: ['zebra', 'bgpd', 'vtysh'], bird: ['bird', 'birdc'], gobgp: ['gobgpd', 'gobgp'] };

for (const kind of Object.keys(programs) as RouterKind[]) {
  describe(`BGP sessions with ${kind}`, function () {
    this.timeout(60_000);
    const ring = new Ring(kind);

    before(async function () {
      const missing = process.geteuid?.() !== 0 ? ['root'] : programs[kind].filter((program) => findProgram(program) === undefined);
      if (missing.length > 0) {
        if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
        process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
        return this.skip();
      }
      await ring.start();
    });
    after(() => ring.stop());

    for (const [index, { name, family, refused }] of cases.entries()) {
      if (refused !== undefined) continue;
      it(`${name}, IPv${family}: comes up, over one connection`, async () => {
        await ring.isUp(index);
        assert.equal(ring.of(index).connections, 1);
        assert.equal(await ring.connections(index), 1);
      });
    }

    it('every session carries a route to the router', async () => {
      for (const index of up) ring.tell({ type: 'announce', name: String(index), prefix: prefixOf(index), nextHop: ip(addressOf(index)) });
      const wanted = up.map(prefixOf).sort();
      await waitFor('the routes', 10_000, async () => {
        const prefixes = await ring.router.prefixes();
        return wanted.every((each) => prefixes.includes(each));
      });
    });

    for (const [index, { name, family, refused, deaf }] of cases.entries()) {
      if (refused === undefined) continue;
      it(`${name}, IPv${family}: no session, and the reason is seen`, async () => {
        await waitFor('the reason', 20_000, () => refused.test(ring.of(index).lastError ?? '')).catch(() => undefined);
        assert.match(ring.of(index).lastError ?? '', refused);
        if (deaf !== true) assert.equal(ring.of(index).established, 0);
        assert.ok(!(await ring.router.established()).includes(addressOf(index)));
      });
    }

    it('sessions live on with nothing said but KEEPALIVEs', async () => {
      await sleep(10_000); // longer than the Hold Time
      for (const index of up) assert.deepEqual([ring.of(index).fsm, ring.of(index).established], ['Established', 1], cases[index]!.name);
    });

    it('the router sends its routes again when asked (RFC 2918)', async () => {
      for (const index of [up[0] as number, cases.findIndex(({ here }) => here?.gracefulRestart !== undefined)]) {
        const before = ring.of(index).received['UPDATE'] ?? 0;
        ring.tell({ type: 'refresh', name: String(index) });
        if (kind === 'bird') return; // it exports nothing here, and says so with no message
        await waitFor('UPDATEs', 10_000, () => (ring.of(index).received['UPDATE'] ?? 0) > before);
      }
    });

    it('a stop with words ends it at the router, and a start brings it back', async () => {
      const [index] = up as [number];
      ring.tell({ type: 'stop', name: String(index), message: 'maintenance' });
      await waitFor('the router to see the end', 10_000, async () => !(await ring.router.established()).includes(addressOf(index)));
      assert.deepEqual([ring.of(index).fsm, ring.of(index).lastError], ['Idle', undefined]);
      ring.tell({ type: 'start', name: String(index) });
      await ring.isUp(index);
    });

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      it(`every session is back after the router was restarted with ${signal}`, async () => {
        const before = new Map(up.map((index) => [index, ring.of(index).established]));
        await ring.router.stop(signal);
        await waitFor('all sessions to end', 15_000, () => up.every((index) => ring.of(index).fsm !== 'Established'));
        await ring.router.start();
        for (const index of up) {
          await ring.isUp(index);
          assert.equal(ring.of(index).established, (before.get(index) as number) + 1, `${cases[index]!.name}: once`);
        }
      });
    }

    it('those that have no session still have none', async () => {
      const established = await ring.router.established();
      for (const [index, { name, refused, deaf }] of cases.entries()) {
        if (refused === undefined) continue;
        assert.ok(!established.includes(addressOf(index)), name);
        if (deaf !== true) assert.equal(ring.of(index).established, 0, name);
      }
    });
  });
}

killAtExit();

after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
