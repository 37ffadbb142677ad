import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BgpError } from '../../bgp/errors.ts';
import { packUpdates, routesOf } from '../../bgp/pack-updates.ts';
import type { AsPathSegment, LargeCommunity, RouteAttributes, RouteChange } from '../../bgp/route.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { decodeMessage, encodeMessage } from '../../bgp/wire/message.ts';
import type { Capability, CodecContext, Message, PathAttributes, UpdateMessage } from '../../bgp/wire/messages.ts';
import { families, ipFromBytes, ipv4FromNumber, isUnusable, makePrefix, type IpAddress, type Prefix } from '../../net/ip.ts';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const asn = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffffffff }));
const octets = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const list = <Item>(item: fc.Arbitrary<Item>, maxLength = 8): fc.Arbitrary<Item[]> => fc.array(item, { maxLength });

const ipv4: fc.Arbitrary<IpAddress> = u32.map(ipv4FromNumber);
const host4 = fc.integer({ min: 0x01000000, max: 0x7effffff }).map(ipv4FromNumber);
const ipv6: fc.Arbitrary<IpAddress> = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean())
  .map(([bytes, sparse]) => ipFromBytes(sparse ? bytes.map((byte) => (byte < 170 ? 0 : byte)) : bytes, 0, 16));
const linkLocal = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
  bytes.set([0xfe, 0x80]);
  return ipFromBytes(bytes, 0, 16);
});
const prefix4: fc.Arbitrary<Prefix> = fc.tuple(ipv4, fc.nat(32)).map(([address, length]) => makePrefix(address, length)).filter((prefix) => !prefix.startsWith('22') && !prefix.startsWith('23'));
const prefix6: fc.Arbitrary<Prefix> = fc.tuple(ipv6, fc.nat(128)).map(([address, length]) => makePrefix(address, length)).filter((prefix) => !prefix.startsWith('ff'));

const context: fc.Arbitrary<CodecContext> = fc.record({ fourOctetAs: fc.boolean(), ibgp: fc.boolean(), maxMessageLength: fc.constant(4096) });

const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({ type: fc.constant('multiprotocol' as const), afi: u16, safi: u8 }),
  fc.record({ type: fc.constant('routeRefresh' as const) }),
  fc.record({ type: fc.constant('fourOctetAs' as const), asn: u32 }),
  fc.record({
    type: fc.constant('gracefulRestart' as const),
    restartState: fc.boolean(),
    notification: fc.boolean(),
    restartTimeSeconds: fc.nat(4095),
    families: list(fc.record({ afi: u16, safi: u8, forwardingState: fc.boolean() })),
  }),
  fc.record({ type: fc.constant('hostname' as const), hostname: fc.string({ maxLength: 60 }), domain: fc.string({ maxLength: 60 }) }),
  fc.record({ type: fc.constant('unknown' as const), code: fc.integer({ min: 74, max: 255 }), value: octets(40) }),
);

/** In AS_PATHs the 2-octet stand-in would be ambiguous: RFC 6793 section 4.2.3 recovers what AS4_PATH says, nothing else. */
const segments = (ibgp: boolean): fc.Arbitrary<AsPathSegment[]> =>
  list(
    fc.record({
      type: fc.constantFrom<AsPathSegment['type']>('AS_SEQUENCE', ...(ibgp ? (['AS_CONFED_SEQUENCE'] as const) : [])),
      asns: fc.array(asn, { minLength: 1, maxLength: 5 }),
    }),
    4,
  );

const largeCommunity: fc.Arbitrary<LargeCommunity> = fc.record({ globalAdmin: u32, localData1: u32, localData2: u32 });

function attributes(codec: CodecContext, mandatory: boolean): fc.Arbitrary<PathAttributes> {
  const common = {
    origin: fc.constantFrom('IGP' as const, 'EGP' as const, 'INCOMPLETE' as const),
    asPath: segments(codec.ibgp && codec.fourOctetAs),
    med: u32,
    atomicAggregate: fc.constant(true as const),
    aggregator: fc.record({ asn, address: ipv4 }),
    communities: fc.array(u32, { minLength: 1, maxLength: 20 }),
    largeCommunities: fc.array(largeCommunity, { minLength: 1, maxLength: 40 }),
    mpReach: fc.record(
      { afi: fc.constant(2), safi: fc.constant(1), nextHop: ipv6.filter((address) => !isUnusable(address)), linkLocalNextHop: linkLocal, nlri: list(prefix6, 30) },
      { requiredKeys: ['afi', 'safi', 'nextHop', 'nlri'] },
    ),
    mpUnreach: fc.record({ afi: fc.constant(2), safi: fc.constant(1), withdrawn: list(prefix6, 30) }),
    unknown: fc.uniqueArray(
      fc.record({ flags: fc.constantFrom(0x80, 0xc0, 0xe0), code: fc.integer({ min: 40, max: 254 }), value: octets(300) }),
      { minLength: 1, maxLength: 3, selector: ({ code }) => code },
    ),
    ...(codec.ibgp ? { localPref: u32, originatorId: ipv4, clusterList: fc.array(ipv4, { minLength: 1, maxLength: 5 }) } : {}),
    ...(mandatory ? { nextHop: host4 } : {}),
  };
  const required = ['origin', 'asPath', ...(codec.ibgp ? ['localPref'] : []), ...(mandatory ? ['nextHop'] : [])];
  return fc.record(common, { requiredKeys: required as [] });
}

function updateMessage(codec: CodecContext): fc.Arbitrary<UpdateMessage> {
  const type = fc.constant('UPDATE' as const);
  return fc.oneof(
    fc.record({ type, withdrawn: list(prefix4), attributes: fc.constant({}), nlri: fc.constant([]) }),
    fc.record({ type, withdrawn: list(prefix4), attributes: attributes(codec, false), nlri: fc.constant([]) }),
    fc.record({ type, withdrawn: list(prefix4), attributes: attributes(codec, true), nlri: fc.array(prefix4, { minLength: 1, maxLength: 30 }) }),
  );
}

function messageFor(codec: CodecContext): fc.Arbitrary<Message> {
  return fc.oneof(
    { weight: 4, arbitrary: updateMessage(codec) },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('OPEN' as const),
        version: fc.constant(4),
        myAs: u16,
        holdTimeSeconds: u16.filter((seconds) => seconds !== 1 && seconds !== 2),
        bgpIdentifier: u32.filter((id) => id !== 0).map(ipv4FromNumber),
        capabilities: list(capability, 20),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('NOTIFICATION' as const), code: u8, subcode: u8, data: octets(300) }) },
    { weight: 1, arbitrary: fc.constant({ type: 'KEEPALIVE' as const }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('ROUTE-REFRESH' as const), afi: u16, safi: u8, subtype: u8 }) },
  );
}

const messageInContext = context.chain((codec) => fc.tuple(fc.constant(codec), messageFor(codec)));

/** What fast-check builds has no prototype of a plain object literal; comparing needs none. */
const plain = (value: unknown): unknown => structuredClone(value);

/** What a 2-octet peer can tell apart: neighbouring sequences become one where AS_PATH and AS4_PATH are joined. */
function hops(message: Message): unknown {
  if (message.type !== 'UPDATE' || message.attributes.asPath === undefined) return message;
  const asPath = message.attributes.asPath.flatMap(({ type, asns }): unknown[] => (type === 'AS_SEQUENCE' ? [...asns] : [[type, ...asns]]));
  return { ...message, attributes: { ...message.attributes, asPath } };
}

/** Once more with all that can be agreed on. */
function totalDecode(bytes: Uint8Array, codec: CodecContext): void {
  totalDecodeIn(bytes, codec);
  totalDecodeIn(bytes, { ...codec, families, addPath: families, extendedNextHop: true, peerAsn: 65001 });
}

function totalDecodeIn(bytes: Uint8Array, codec: CodecContext): void {
  try {
    const message = decodeMessage(bytes, codec);
    if (message.type === 'UPDATE') routesOf(message);
  } catch (error) {
    if (!(error instanceof BgpError)) throw error;
    assert.ok(error.code >= 1 && error.code <= 7);
    assert.ok(error.data.length <= 4096 - 21);
  }
}

describe('property: bgp/wire', () => {
  it('decode(encode(m)) = m', () => {
    fc.assert(
      fc.property(messageInContext, ([codec, message]) => {
        const decoded = decodeMessage(encodeMessage(message, codec), codec);
        // To a 2-octet peer an AGGREGATOR that fits hides AS4_PATH (RFC 6793 section 4.2.3).
        if (!codec.fourOctetAs && message.type === 'UPDATE' && (message.attributes.aggregator?.asn ?? 0x10000) <= 0xffff) return;
        if (codec.fourOctetAs) assert.deepEqual(plain(decoded), plain(message));
        else assert.deepEqual(plain(hops(decoded)), plain(hops(message)));
      }),
      { numRuns: 1000 },
    );
  });

  it('any octets give a message or a BgpError', () => {
    fc.assert(
      fc.property(context, fc.integer({ min: 0, max: 7 }), octets(200), (codec, type, body) => {
        const bytes = new Uint8Array(19 + body.length).fill(0xff, 0, 16);
        bytes.set([bytes.length >>> 8, bytes.length, type], 16);
        bytes.set(body, 19);
        totalDecode(bytes, codec);
        totalDecode(body, codec);
      }),
      { numRuns: 2000 },
    );
  });

  it('any damage to a message gives a message or a BgpError', () => {
    const damage = fc.array(fc.tuple(fc.nat(4095), u8), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(messageInContext, damage, context, ([codec, message], changes, other) => {
        const bytes = encodeMessage(message, codec).slice();
        for (const [at, value] of changes) bytes[19 + (at % (bytes.length - 18))] = value;
        totalDecode(bytes, codec);
        totalDecode(bytes, other);
      }),
      { numRuns: 2000 },
    );
  });

  it('what can be decoded can be encoded and decodes to the same', () => {
    const damage = fc.array(fc.tuple(fc.nat(4095), u8), { maxLength: 3 });
    fc.assert(
      fc.property(messageInContext, damage, ([codec, message], changes) => {
        const bytes = encodeMessage(message, codec).slice();
        for (const [at, value] of changes) if (bytes.length > 19) bytes[19 + (at % (bytes.length - 19))] = value;
        let decoded: Message;
        try {
          decoded = decodeMessage(bytes, codec);
        } catch {
          return;
        }
        if (decoded.type === 'UPDATE' && decoded.attributes.mpReach !== undefined && decoded.attributes.mpReach.nextHop === undefined) return;
        if (!codec.fourOctetAs || (decoded.type === 'UPDATE' && decoded.problems !== undefined)) return;
        assert.deepEqual(decodeMessage(encodeMessage(decoded, codec), codec), decoded);
      }),
      { numRuns: 1000 },
    );
  });

  it('the framer gives the same messages over any slicing', () => {
    fc.assert(
      fc.property(fc.array(messageInContext, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 50 }), (pairs, sizes) => {
        const whole = pairs.map(([codec, message]) => Buffer.from(encodeMessage(message, codec)).toString('hex'));
        const stream = Buffer.from(whole.join(''), 'hex');
        let framer = new Framer();
        const got: string[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length] as number;
          const framed = framer.feed(stream.subarray(at, at + size));
          assert.equal(framed.error, undefined);
          got.push(...framed.messages.map((message) => Buffer.from(message).toString('hex')));
          framer = framed.framer;
          at += size;
        }
        assert.deepEqual(got, whole);
        assert.equal(framer.pending, 0);
      }),
      { numRuns: 300 },
    );
  });
});

describe('property: packUpdates', () => {
  const attributesOf = (nextHop: IpAddress): fc.Arbitrary<RouteAttributes> =>
    fc.record({
      origin: fc.constant('IGP' as const),
      asPath: fc.constant([]),
      nextHop: fc.constant(nextHop),
      localPref: fc.nat(2),
      communities: list(fc.nat(2), 2),
      largeCommunities: list(fc.record({ globalAdmin: fc.nat(1), localData1: fc.nat(1), localData2: fc.nat(1) }), 2),
    });
  const change: fc.Arbitrary<RouteChange> = fc.oneof(
    fc.record({ type: fc.constant('withdraw' as const), prefix: fc.oneof(prefix4, prefix6) }),
    fc.record({ type: fc.constant('announce' as const), route: fc.record({ prefix: prefix4, attributes: attributesOf(ipv4FromNumber(0xc0000201)) }) }),
    fc.record({ type: fc.constant('announce' as const), route: fc.record({ prefix: prefix6, attributes: attributesOf('2001:db8::1' as IpAddress) }) }),
  );

  const apply = (changes: readonly RouteChange[]): Map<Prefix, unknown> => {
    const table = new Map<Prefix, unknown>();
    for (const one of changes) {
      if (one.type === 'withdraw') table.set(one.prefix, 'withdrawn');
      else table.set(one.route.prefix, plain(one.route.attributes));
    }
    return new Map([...table].sort(([a], [b]) => (a < b ? -1 : 1)));
  };

  it('the peer ends up with what the changes say, in messages that fit', () => {
    fc.assert(
      fc.property(list(change, 60), fc.integer({ min: 200, max: 4096 }), (changes, maxMessageLength) => {
        const codec = { fourOctetAs: true, ibgp: true, maxMessageLength };
        const updates = packUpdates(changes, { context: codec, localAsn: 65010, families, peerType: 'ibgp' });
        const heard = updates.flatMap((update) => routesOf(decodeMessage(encodeMessage(update, codec), codec) as UpdateMessage));
        assert.deepEqual(apply(heard), apply(changes));
      }),
      { numRuns: 300 },
    );
  });
});
