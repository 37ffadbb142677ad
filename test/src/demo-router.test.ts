import assert from 'node:assert/strict';
import type { RouteAttributes } from '../../bgp/route.ts';
import { endOfRibFamily, routesOf } from '../../bgp/pack-updates.ts';
import type { Negotiated } from '../../bgp/session-contract.ts';
import type { PathAttributes, UpdateMessage } from '../../bgp/wire/messages.ts';
import { families, ip, parsePrefix, type Prefix } from '../../net/ip.ts';
import { parseRouterConfig } from '../../src/demo/router-config.ts';
import { Router, type RouterEvent } from '../../src/demo/router.ts';

const vm = parsePrefix('203.0.113.11/32') as Prefix;
const vm6 = parsePrefix('2001:db8:100::11/128') as Prefix;
const names = ['a', 'b', 'c'] as const;
type Name = (typeof names)[number];
const address = { a: ip('192.0.2.2'), b: ip('192.0.2.6'), c: ip('192.0.2.10') } as const;

/** A router with three peers, and what came out of it. */
class Bench {
  readonly sent: { peer: string; update: UpdateMessage }[] = [];
  readonly kernel: [Prefix, string | undefined][] = [];
  readonly events: RouterEvent[] = [];
  readonly router: Router;
  readonly #ibgp: boolean;

  constructor(asn = 65010, reflector = true) {
    this.#ibgp = asn === 65010;
    this.router = new Router({ asn, routerId: ip('192.0.2.1'), reflector }, names.map((name) => ({ name, address: address[name], asn: 65010 })), {
      send: (peer, updates) => updates.forEach((update) => this.sent.push({ peer, update })),
      install: (prefix, nextHop) => this.kernel.push([prefix, nextHop]),
      report: (event) => this.events.push(event),
      now: () => 0,
      ownAddress: (_negotiated, family) => (family === 'ipv4-unicast' ? ip('192.0.2.1') : ip('2001:db8::1')),
    });
  }

  up(name: Name): void {
    const negotiated: Negotiated = {
      context: { fourOctetAs: true, ibgp: this.#ibgp, maxMessageLength: 4096 }, families, holdTimeSeconds: 9, keepaliveSeconds: 3,
      remoteIdentifier: address[name], routeRefresh: true, enhancedRouteRefresh: false, remoteCapabilities: [], localAddress: ip('192.0.2.1'), connection: 1,
    };
    this.router.established(name, negotiated);
  }

  allUp(): this {
    for (const name of names) this.up(name);
    this.sent.length = 0;
    return this;
  }

  hear(name: Name, prefix: Prefix, attributes: PathAttributes = {}): void {
    const nextHop = prefix.includes(':') ? ip('2001:db8::2') : address[name];
    const asPath = this.#ibgp ? [] : [{ type: 'AS_SEQUENCE' as const, asns: [65010] }];
    const all: PathAttributes = { origin: 'IGP', asPath, ...attributes };
    this.router.update(name, prefix.includes(':')
      ? { type: 'UPDATE', withdrawn: [], attributes: { ...all, mpReach: { afi: 2, safi: 1, nextHop, nlri: [prefix] } }, nlri: [] }
      : { type: 'UPDATE', withdrawn: [], attributes: { nextHop, ...all }, nlri: [prefix] });
    this.router.flush();
  }

  withdraw(name: Name, prefix: Prefix): void {
    this.router.update(name, { type: 'UPDATE', withdrawn: [prefix], attributes: {}, nlri: [] });
    this.router.flush();
  }

  /** What was sent since the last call: `peer: prefix`, `peer: -prefix`. */
  takeSent(): string[] {
    return this.sent.splice(0).flatMap(({ peer, update }) =>
      routesOf(update).map((change) => (change.type === 'announce' ? `${peer}: ${change.route.prefix}` : `${peer}: -${change.prefix}`)));
  }

  /** The attributes of the one route sent to a peer since the last call. */
  takeRoute(name: Name): RouteAttributes {
    const routes = this.sent.filter(({ peer }) => peer === name).flatMap(({ update }) => routesOf(update));
    this.sent.length = 0;
    assert.equal(routes.length, 1);
    assert.ok(routes[0]?.type === 'announce');
    return routes[0].route.attributes;
  }
}

describe('the embedded router', () => {
  it('reflects to the other clients, with who sent it and its own mark (RFC 4456 section 8)', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 7, clusterList: [ip('192.0.2.99')], communities: [1] });
    assert.deepEqual(bench.sent.map(({ peer }) => peer), ['b', 'c']);
    const route = bench.takeRoute('b');
    assert.equal(route.originatorId, '192.0.2.2');
    assert.deepEqual(route.clusterList, ['192.0.2.1', '192.0.2.99']);
    assert.deepEqual([route.localPref, route.nextHop, route.communities], [7, '192.0.2.2', [1]]);
    assert.deepEqual(bench.kernel, [[vm, '192.0.2.2']]);
  });

  it('keeps the ORIGINATOR_ID that a route has, and does not send it there', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 7, originatorId: address.b });
    assert.deepEqual(bench.takeSent(), [`c: ${vm}`]);
  });

  it('takes back from the new best peer what it had from the old one', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 1 });
    assert.deepEqual(bench.takeSent(), [`b: ${vm}`, `c: ${vm}`]);
    bench.hear('b', vm, { localPref: 2 });
    assert.deepEqual(bench.takeSent(), [`a: ${vm}`, `b: -${vm}`, `c: ${vm}`]);
    bench.withdraw('b', vm);
    assert.deepEqual(bench.takeSent(), [`a: -${vm}`, `b: ${vm}`, `c: ${vm}`]);
    assert.deepEqual(bench.kernel, [[vm, '192.0.2.2'], [vm, '192.0.2.6'], [vm, '192.0.2.2']]);
  });

  it('does nothing about a route that is not better, or that is said twice', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 2 });
    bench.takeSent();
    bench.hear('b', vm, { localPref: 1 });
    bench.hear('a', vm, { localPref: 2 });
    assert.deepEqual([bench.takeSent(), bench.kernel.length], [[], 1]);
  });

  it('sends changed attributes on though the next hop stays, without touching the kernel', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 2 });
    bench.takeSent();
    bench.hear('a', vm, { localPref: 3 });
    assert.deepEqual([bench.takeSent(), bench.kernel.length], [[`b: ${vm}`, `c: ${vm}`], 1]);
  });

  it('forgets the routes of a peer that goes', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 2 });
    bench.hear('a', vm6, { localPref: 2 });
    bench.takeSent();
    bench.router.down('a', 'closed by peer');
    bench.router.flush();
    assert.deepEqual(bench.takeSent(), [`b: -${vm}`, `b: -${vm6}`, `c: -${vm}`, `c: -${vm6}`]);
    assert.deepEqual(bench.kernel.slice(-2), [[vm, undefined], [vm6, undefined]]);
  });

  it('sends a peer that comes all routes and then End-of-RIB, also on a second coming', () => {
    const bench = new Bench();
    bench.up('a');
    bench.hear('a', vm, { localPref: 2 });
    bench.hear('a', vm6, { localPref: 2 });
    for (let i = 0; i < 2; i++) {
      bench.sent.length = 0;
      bench.up('b');
      assert.deepEqual(bench.sent.slice(-2).map(({ update }) => endOfRibFamily(update)), families);
      assert.deepEqual(bench.takeSent(), [`b: ${vm}`, `b: ${vm6}`]);
      bench.router.down('b', 'closed by peer');
    }
  });

  it('answers a route refresh with that family', () => {
    const bench = new Bench().allUp();
    bench.hear('a', vm, { localPref: 2 });
    bench.hear('a', vm6, { localPref: 2 });
    bench.takeSent();
    bench.router.refresh('b', 'ipv6-unicast');
    assert.deepEqual(bench.takeSent(), [`b: ${vm6}`]);
  });

  const unusable: readonly [what: string, attributes: PathAttributes][] = [
    ['its own AS in AS_PATH', { asPath: [{ type: 'AS_SEQUENCE', asns: [5, 65010] }] }],
    ['its own identifier as ORIGINATOR_ID', { originatorId: ip('192.0.2.1') }],
    ['its own identifier in CLUSTER_LIST', { clusterList: [ip('192.0.2.9'), ip('192.0.2.1')] }],
  ];
  for (const [what, attributes] of unusable) {
    it(`does not use a route with ${what}, and drops what it replaces`, () => {
      const bench = new Bench().allUp();
      bench.hear('a', vm, { localPref: 2 });
      bench.hear('a', vm, { localPref: 2, ...attributes });
      assert.deepEqual(bench.kernel, [[vm, '192.0.2.2'], [vm, undefined]]);
    });
  }

  it('as an eBGP speaker puts itself into AS_PATH and NEXT_HOP, and keeps communities but not MED', () => {
    const bench = new Bench(65001, false).allUp();
    bench.hear('a', vm, { med: 5, communities: [0xfdf200c8] });
    const update = bench.sent.find(({ peer }) => peer === 'b')?.update;
    assert.deepEqual(update?.attributes, {
      origin: 'IGP', asPath: [{ type: 'AS_SEQUENCE', asns: [65001, 65010] }], nextHop: '192.0.2.1', communities: [0xfdf200c8], largeCommunities: [],
    });
    bench.hear('b', vm, { med: 4 });
    assert.deepEqual(bench.kernel, [[vm, '192.0.2.2'], [vm, '192.0.2.6']]);
  });

  it('obeys NO_ADVERTISE, and NO_EXPORT on eBGP', () => {
    for (const [asn, community, peers] of [[65010, 0xffffff02, []], [65010, 0xffffff01, ['b', 'c']], [65001, 0xffffff01, []]] as const) {
      const bench = new Bench(asn).allUp();
      bench.hear('a', vm, { localPref: 2, communities: [community] });
      assert.deepEqual(bench.sent.map(({ peer }) => peer), peers);
    }
  });

  it('without reflection tells iBGP peers nothing that it has from iBGP peers', () => {
    const bench = new Bench(65010, false).allUp();
    bench.hear('a', vm, { localPref: 2 });
    assert.deepEqual([bench.takeSent(), bench.kernel.length], [[], 1]);
  });

  it('tells what happened', () => {
    const bench = new Bench();
    bench.up('a');
    bench.hear('a', vm, { localPref: 2, med: 3 });
    bench.router.down('a', 'hold time');
    bench.router.flush();
    assert.deepEqual(bench.events, [
      { event: 'session', peer: 'a', address: '192.0.2.2', state: 'up', at: 0 },
      { event: 'update', peer: 'a', received: 1, at: 0 },
      { event: 'route', peer: 'a', prefix: vm, nextHop: '192.0.2.2', localPref: 2, med: 3, at: 0 },
      { event: 'best', prefix: vm, nextHop: '192.0.2.2', peer: 'a', at: 0 },
      { event: 'session', peer: 'a', address: '192.0.2.2', state: 'down', reason: 'hold time', at: 0 },
      { event: 'route', peer: 'a', prefix: vm, nextHop: null, at: 0 },
      { event: 'best', prefix: vm, nextHop: null, peer: null, at: 0 },
    ]);
  });
});

describe("the embedded router's configuration", () => {
  const good = { asn: 65010, routerId: '192.0.2.1', listen: ['192.0.2.1'], peers: [{ name: 'a', address: '192.0.2.2', asn: 65010 }], reflector: true, installRoutes: false };
  it('is read', () => assert.deepEqual(parseRouterConfig(JSON.stringify(good)), { ...good, port: 179 }));
  const bad: readonly [change: object, error: RegExp][] = [
    [{ asn: 0 }, /^asn:/],
    [{ routerId: 'x' }, /^routerId:/],
    [{ listen: [] }, /^listen:/],
    [{ port: 70000 }, /^port:/],
    [{ peers: [{ name: 'a', address: '192.0.2.256', asn: 1 }] }, /^peers: address:/],
    [{ peers: [good.peers[0], good.peers[0]] }, /same name/],
  ];
  for (const [change, message] of bad) {
    it(`is refused: ${JSON.stringify(change)}`, () => assert.throws(() => parseRouterConfig(JSON.stringify({ ...good, ...change })), { message }));
  }
});
