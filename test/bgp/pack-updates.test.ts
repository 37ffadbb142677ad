import assert from 'node:assert/strict';
import { endOfRib, endOfRibFamily, packUpdates, routesOf, type PackOptions } from '../../bgp/pack-updates.ts';
import type { RouteAttributes, RouteChange } from '../../bgp/route.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { UpdateMessage } from '../../bgp/wire/messages.ts';
import { families, ip, parsePrefix, type Prefix } from '../../net/ip.ts';

const ibgp: PackOptions = {
  context: { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 },
  localAsn: 65010,
  families,
  peerType: 'ibgp',
};
const ebgp: PackOptions = { ...ibgp, context: { ...ibgp.context, ibgp: false }, peerType: 'ebgp' };

const v4: RouteAttributes = {
  origin: 'IGP',
  asPath: [],
  nextHop: ip('192.0.2.17'),
  localPref: 1753000000,
  communities: [0xfdf200c8],
  largeCommunities: [{ globalAdmin: 65010, localData1: 1, localData2: 7 }],
};
const v6: RouteAttributes = { ...v4, nextHop: ip('2001:db8::17'), linkLocalNextHop: ip('fe80::17') };

function prefix(text: string): Prefix {
  const result = parsePrefix(text);
  assert.ok(result !== undefined, text);
  return result;
}
const announce = (text: string, attributes: RouteAttributes): RouteChange => ({ type: 'announce', route: { prefix: prefix(text), attributes } });
const withdraw = (text: string): RouteChange => ({ type: 'withdraw', prefix: prefix(text) });

describe('IPv4 routes with an IPv6 next hop (RFC 8950)', () => {
  const agreed: PackOptions = { ...ebgp, context: { ...ebgp.context, extendedNextHop: true } };
  const unnumbered: RouteAttributes = { ...v4, nextHop: ip('fe80::17') };

  it('go out where that was agreed on, a link-local next hop in both places', () => {
    const updates = packUpdates([announce('203.0.113.11/32', unnumbered)], agreed);
    const { mpReach } = (updates[0] as UpdateMessage).attributes;
    assert.deepEqual([mpReach?.afi, mpReach?.safi, mpReach?.nextHop, mpReach?.linkLocalNextHop, mpReach?.nlri], [1, 1, 'fe80::17', 'fe80::17', ['203.0.113.11/32']]);
    const [change] = received(updates, agreed);
    assert.deepEqual(change?.type === 'announce' ? change.route.attributes.nextHop : change, 'fe80::17');
  });

  it('are withdrawn where it was not', () => {
    assert.deepEqual(received(packUpdates([announce('203.0.113.11/32', unnumbered)], ebgp), ebgp), [withdraw('203.0.113.11/32')]);
  });

  it('that come unasked are withdrawals, and the session goes on', () => {
    const bytes = encodeMessage(packUpdates([announce('203.0.113.11/32', unnumbered)], agreed)[0] as UpdateMessage, agreed.context);
    assert.deepEqual(routesOf(decodeMessage(bytes, ebgp.context) as UpdateMessage), [withdraw('203.0.113.11/32')]);
  });
});

describe('several routes for a prefix (RFC 7911)', () => {
  it('keep their identifiers both ways, IPv4 and IPv6', () => {
    const context = { ...ibgp.context, addPath: families };
    const update: UpdateMessage = {
      type: 'UPDATE', withdrawn: [prefix('203.0.113.9/32')], withdrawnPathIds: [4], nlri: [prefix('203.0.113.11/32'), prefix('203.0.113.11/32')], pathIds: [1, 0xffffffff],
      attributes: {
        origin: 'IGP', asPath: [], nextHop: ip('192.0.2.1'), localPref: 1,
        mpReach: { afi: 2, safi: 1, nextHop: ip('2001:db8::1'), nlri: [prefix('2001:db8::5/128')], pathIds: [7] },
        mpUnreach: { afi: 2, safi: 1, withdrawn: [prefix('2001:db8::6/128')], pathIds: [8] },
      },
    };
    const decoded = decodeMessage(encodeMessage(update, context), context) as UpdateMessage;
    assert.deepEqual(decoded, update);
    assert.deepEqual(routesOf(decoded).map((change) => [change.type, change.pathId]), [['withdraw', 4], ['withdraw', 8], ['announce', 1], ['announce', 0xffffffff], ['announce', 7]]);
  });
});

describe('OTC (RFC 9234)', () => {
  it('is put on what goes to a customer, a peer or a client of a route server, and nowhere else', () => {
    const otc = (role: PackOptions['role'], options = ebgp): number | undefined =>
      (packUpdates([announce('203.0.113.11/32', v4)], role === undefined ? options : { ...options, role })[0] as UpdateMessage).attributes.onlyToCustomer;
    assert.deepEqual((['provider', 'peer', 'rs'] as const).map((role) => otc(role)), [65010, 65010, 65010]);
    assert.deepEqual((['customer', 'rs-client', undefined] as const).map((role) => otc(role)), [undefined, undefined, undefined]);
    assert.equal(otc('provider', ibgp), undefined);
  });
});

/** What the peer ends up with after reading the messages. */
function received(updates: readonly UpdateMessage[], { context }: PackOptions): RouteChange[] {
  return updates.flatMap((update) => {
    const bytes = encodeMessage(update, context);
    assert.ok(bytes.length <= context.maxMessageLength);
    return routesOf(decodeMessage(bytes, context) as UpdateMessage);
  });
}

describe('packUpdates', () => {
  it('writes nothing for nothing', () => assert.deepEqual(packUpdates([], ibgp), []));

  it('puts both families on the wire, withdraws first', () => {
    const changes = [announce('10.0.0.5/32', v4), announce('2001:db8:1::5/128', v6), withdraw('2001:db8:1::6/128'), withdraw('10.0.0.6/32')];
    assert.deepEqual(received(packUpdates(changes, ibgp), ibgp), [changes[3], changes[2], changes[0], changes[1]]);
  });

  it('lets the same object and equal values share an UPDATE', () => {
    const copy = { ...v4, communities: [...v4.communities], largeCommunities: v4.largeCommunities.map((one) => ({ ...one })) };
    const updates = packUpdates([announce('10.0.0.1/32', v4), announce('10.0.0.2/32', v4), announce('10.0.0.3/32', copy)], ibgp);
    assert.deepEqual(updates.map(({ nlri }) => nlri), [['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32']]);
  });

  const differences: readonly Partial<RouteAttributes>[] = [
    { origin: 'EGP' },
    { asPath: [{ type: 'AS_SEQUENCE', asns: [1] }] },
    { nextHop: ip('192.0.2.18') },
    { med: 0 },
    { localPref: 1 },
    { communities: [] },
    { largeCommunities: [] },
    { originatorId: ip('192.0.2.9') },
    { clusterList: [ip('192.0.2.9')] },
  ];
  for (const difference of differences) {
    it(`keeps routes apart that differ in ${Object.keys(difference).join()}`, () => {
      const changes = [announce('10.0.0.1/32', v4), announce('10.0.0.2/32', { ...v4, ...difference })];
      assert.deepEqual(received(packUpdates(changes, ibgp), ibgp), changes);
      assert.equal(packUpdates(changes, ibgp).length, 2);
    });
  }

  it('prepends our AS and leaves out what is iBGP only', () => {
    const [update] = packUpdates([announce('10.0.0.5/32', { ...v4, med: 5, originatorId: ip('192.0.2.9'), clusterList: [ip('192.0.2.9')] })], ebgp);
    assert.deepEqual(update?.attributes, {
      origin: 'IGP',
      asPath: [{ type: 'AS_SEQUENCE', asns: [65010] }],
      nextHop: '192.0.2.17',
      med: 5,
      communities: v4.communities,
      largeCommunities: v4.largeCommunities,
    });
  });

  it('always has a LOCAL_PREF on iBGP, and an empty AS_PATH', () => {
    const { localPref: _, ...without } = v4;
    const [update] = packUpdates([announce('10.0.0.5/32', without)], ibgp);
    assert.equal(update?.attributes.localPref, 100);
    assert.deepEqual(update?.attributes.asPath, []);
  });

  it('of several changes to one prefix writes the last', () => {
    assert.deepEqual(received(packUpdates([withdraw('10.0.0.5/32'), announce('10.0.0.5/32', v4)], ibgp), ibgp), [announce('10.0.0.5/32', v4)]);
    assert.deepEqual(received(packUpdates([announce('10.0.0.5/32', v4), withdraw('10.0.0.5/32')], ibgp), ibgp), [withdraw('10.0.0.5/32')]);
  });

  it('leaves out families that were not agreed on', () => {
    const changes = [announce('10.0.0.5/32', v4), announce('2001:db8:1::5/128', v6), withdraw('2001:db8:1::6/128')];
    assert.deepEqual(received(packUpdates(changes, { ...ibgp, families: ['ipv4-unicast'] }), ibgp), [changes[0]]);
  });

  for (const [what, make] of [
    ['IPv4 announcements', (i: number) => announce(`10.1.${i >>> 8}.${i & 255}/32`, v4)],
    ['IPv6 announcements', (i: number) => announce(`2001:db8:1::1:${(i + 1).toString(16)}/128`, v6)],
    ['IPv4 withdraws', (i: number) => withdraw(`10.1.${i >>> 8}.${i & 255}/32`)],
    ['IPv6 withdraws', (i: number) => withdraw(`2001:db8:1::1:${(i + 1).toString(16)}/128`)],
  ] as const) {
    it(`splits 1,000 ${what}, each once, in full messages`, () => {
      const changes = Array.from({ length: 1000 }, (_, i) => make(i));
      for (const session of [ibgp, ebgp, { ...ibgp, context: { ...ibgp.context, maxMessageLength: 300 } }]) {
        const updates = packUpdates(changes, session);
        const key = (change: RouteChange): string => (change.type === 'announce' ? change.route.prefix : change.prefix);
        assert.deepEqual(received(updates, session).map(key), changes.map(key));
        const lengths = updates.map((update) => encodeMessage(update, session.context).length);
        for (const length of lengths.slice(0, -1)) assert.ok(length > session.context.maxMessageLength - 40, `${length}`);
      }
    });
  }

  it('withdraws a route whose attributes fill a message (RFC 8654 section 5)', () => {
    const huge = { ...v4, largeCommunities: Array.from({ length: 340 }, (_, i) => ({ globalAdmin: 1, localData1: 2, localData2: i })) };
    const changes = [announce('10.0.0.5/32', huge), announce('10.0.0.6/32', v4)];
    assert.deepEqual(received(packUpdates(changes, ibgp), ibgp), [withdraw('10.0.0.5/32'), changes[1]]);
  });

  it('fills a message to its last octet', () => {
    for (let count = 320; count < 340; count++) {
      const large = { ...v6, largeCommunities: Array.from({ length: count }, (_, i) => ({ globalAdmin: 1, localData1: 2, localData2: i })) };
      const changes = Array.from({ length: 3 }, (_, i) => announce(`2001:db8:1::${i + 1}/128`, large));
      assert.equal(received(packUpdates(changes, ibgp), ibgp).length, 3);
    }
  });
});

describe('End-of-RIB', () => {
  for (const family of families) {
    it(`of ${family} is known again`, () => {
      const bytes = encodeMessage(endOfRib(family), ibgp.context);
      const update = decodeMessage(bytes, ibgp.context) as UpdateMessage;
      assert.equal(endOfRibFamily(update), family);
      assert.deepEqual(routesOf(update), []);
    });
  }
  it('is no other UPDATE', () => {
    for (const change of [announce('10.0.0.5/32', v4), withdraw('10.0.0.5/32'), announce('2001:db8::5/128', v6), withdraw('2001:db8::5/128')]) {
      assert.equal(endOfRibFamily(packUpdates([change], ibgp)[0] as UpdateMessage), undefined);
    }
    const foreign: UpdateMessage = { type: 'UPDATE', withdrawn: [], attributes: { mpUnreach: { afi: 25, safi: 70, withdrawn: [] } }, nlri: [] };
    assert.equal(endOfRibFamily(foreign), undefined);
  });
});

describe('routesOf', () => {
  it('gives nothing for a family that we do not speak', () => {
    const mpReach = { afi: 25, safi: 70, nextHop: undefined, nlri: [] };
    assert.deepEqual(routesOf({ type: 'UPDATE', withdrawn: [], attributes: { origin: 'IGP', asPath: [], mpReach }, nlri: [] }), []);
  });
  it('shares one attributes object', () => {
    const [a, b] = received(packUpdates([announce('10.0.0.1/32', v4), announce('10.0.0.2/32', v4)], ibgp), ibgp);
    assert.ok(a?.type === 'announce' && b?.type === 'announce' && a.route.attributes === b.route.attributes);
  });
});
