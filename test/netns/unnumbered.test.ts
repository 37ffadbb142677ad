import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { families, ip, type Prefix } from '../../net/ip.ts';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, must, stopAll, waitFor } from '../../src/demo/processes.ts';
import type { DrivenSession, Order, Said } from './session-driver.ts';
import { createRouter, routerAsn, type Router, type RouterKind } from './session-router.ts';

// A link without addresses but link-local ones, as fabrics have them: the session runs over it, and IPv4 routes have an IPv6 next hop.

const prefix = `lfu${process.pid}`;
const v4 = '203.0.113.11/32' as Prefix;
const v6 = '2001:db8:f::11/128' as Prefix;
const programs = { frr: ['zebra', 'bgpd', 'vtysh'], bird: ['bird', 'birdc'] } as const;

for (const kind of ['frr', 'bird'] as const satisfies RouterKind[]) {
  describe(`a link with link-local addresses only, ${kind}`, function () {
    this.timeout(60_000);
    const namespaces = new Namespaces(`${prefix}${kind}`);
    const folder = makeFolder();
    let router: Router | undefined;
    let driver: Daemon | undefined;
    let said: Said | undefined;

    before(async function () {
      const missing = process.geteuid?.() !== 0 ? ['root'] : programs[kind].filter((program) => findProgram(program) === undefined);
      if (missing.length > 0) {
        if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
        process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
        return this.skip();
      }
      for (const name of ['router', 'node']) await namespaces.create(name);
      await namespaces.ip('router', [
        'link add eth0 type veth peer name eth0 netns @node', 'link set eth0 addrgenmode none', 'link set eth0 up', 'address add fe80::1/64 dev eth0 nodad',
      ]);
      await namespaces.ip('node', ['link set eth0 addrgenmode none', 'link set eth0 up', 'address add fe80::2/64 dev eth0 nodad']);
      router = createRouter(kind, namespaces, 'router', folder, [{ address: 'fe80::2', localAddress: 'fe80::1', interface: 'eth0', asn: 65010, passive: true, ttlSecurity: false }]);
      await router.start();
      const session: DrivenSession = {
        name: 'tor', localAddress: ip('fe80::2'), peerAddress: ip('fe80::1'), interface: 'eth0', localAsn: 65010, peerAsn: routerAsn, bgpIdentifier: ip('10.0.0.2'),
        families, holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 1, passive: false, listen: false, ttlSecurity: false, extendedNextHop: true,
      };
      const script = fileURLToPath(new URL('./session-driver.ts', import.meta.url));
      driver = new Daemon('driver', namespaces.exec('node', [process.execPath, '--import', 'tsx', script, JSON.stringify([session])]), {
        onLine: (line) => { said = JSON.parse(line) as Said; },
      });
    });

    after(async () => {
      await driver?.stop();
      await router?.stop('SIGKILL');
      await namespaces.removeAll();
      if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
    });

    it('has a session', async () => {
      await waitFor('the session', 20_000, async () => said?.fsm === 'Established' && (await router!.established()).length === 1, 200)
        .catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(said)} ${driver?.tail}`));
    });

    it('carries routes of both families, which the router takes', async () => {
      const tell = (order: Order): void => driver?.tell(order);
      for (const each of [v4, v6]) tell({ type: 'announce', name: 'tor', prefix: each, nextHop: ip('fe80::2') });
      await waitFor('the routes', 10_000, async () => {
        const has = await router!.prefixes();
        return has.includes(v4) && has.includes(v6);
      }, 200).catch(async (error: Error) => assert.fail(`${error.message}: ${JSON.stringify(await router!.prefixes())} ${JSON.stringify(said)}`));
    });

    if (kind === 'frr') {
      it('has the IPv4 route in its kernel, by the link-local next hop', async () => {
        await waitFor('the route', 10_000, async () => /203\.0\.113\.11.* via inet6 fe80::2 dev eth0/.test(await must(['ip', '-n', namespaces.name('router'), '-4', 'route'])), 200);
      });
    }
  });
}

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
