import assert from 'node:assert/strict';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { Connections } from '../../src/decode/connections.ts';
import { decodeAll, ethernet, ipPacket, keepalive, open, pcap, pcapng, update, type JsonLine, type PacketInput } from './build.ts';

const mac = '52:54:00:aa:00:01' as Mac;
const garp = garpFrame(mac, ip('203.0.113.11'));
const types = (lines: readonly JsonLine[]): unknown[] => lines.map(({ type, kind, error }) => type ?? kind ?? error);
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

describe('decode: frames of a capture', () => {
  it('gives kind, mac, vlan, address and verdict', () => {
    const lines = decodeAll(pcap([
      { bytes: garp, ms: 1_764_000_000_000.25 },
      { bytes: rarpFrame(mac) },
      { bytes: naFrame(mac, ip('2001:db8:100::11'), { vlan: 100 }) },
    ]));
    assert.deepEqual(lines, [
      { frame: 1, time: '2025-11-24T16:00:00.000Z', kind: 'garp', mac, vlan: 0, address: '203.0.113.11', verdict: 'accepted' },
      { frame: 2, kind: 'rarp', mac, vlan: 0, address: null, verdict: 'accepted' },
      { frame: 3, kind: 'na', mac, vlan: 100, address: '2001:db8:100::11', verdict: 'accepted' },
    ]);
  });

  it('says what is wrong with a malformed frame, and goes on', () => {
    const broken = garp.slice();
    broken[19] = 5; // protocol address length
    const [first, second] = decodeAll(pcap([{ bytes: broken }, { bytes: garp }]));
    assert.deepEqual(first, { frame: 1, kind: 'arp', mac, vlan: 0, address: null, verdict: 'malformed', error: { text: 'ARP protocol address length is not 4' } });
    assert.equal(second.verdict, 'accepted');
  });

  it('says that the capture kept too little', () => {
    const [line] = decodeAll(pcap([{ bytes: naFrame(mac, ip('2001:db8:100::11')) }], { snap: 64 }));
    assert.equal(line.verdict, 'malformed');
    assert.match(line.error.text, /lacks 22 of its 86 octets/);
  });

  it('names both tags of a frame that has two', () => {
    const tagged = Buffer.concat([garp.subarray(0, 12), Buffer.from('88a8006481000065', 'hex'), garp.subarray(12)]);
    const [line] = decodeAll(pcap([{ bytes: tagged }]));
    assert.deepEqual({ ...line, reason: undefined }, { frame: 1, kind: 'garp', mac, vlan: 100, vlans: [100, 101], address: '203.0.113.11', verdict: 'wrong_vlan', reason: undefined });
  });

  for (const [name, file] of [
    ['big-endian', pcap([{ bytes: garp, ms: 1500 }], { big: true })],
    ['with nanoseconds', pcap([{ bytes: garp, ms: 1500 }], { nanoseconds: true })],
    ['big-endian with nanoseconds', pcap([{ bytes: garp, ms: 1500 }], { big: true, nanoseconds: true })],
    ['pcapng', pcapng([{ bytes: garp, ms: 1500 }])],
    ['big-endian pcapng', pcapng([{ bytes: garp, ms: 1500 }], { big: true })],
  ] as const) {
    it(`reads files that are ${name}, in pieces of any size`, () => {
      for (const size of [1, 7, 65_536]) {
        const [line, ...rest] = decodeAll(file, { size });
        assert.deepEqual(rest, []);
        assert.equal(line.time, '1970-01-01T00:00:01.500Z');
        assert.equal(line.kind, 'garp');
        if (name.includes('pcapng')) assert.equal(line.interface, 'vnet4');
      }
    });
  }

  it('reads Linux cooked captures of both versions', () => {
    const body = garp.subarray(14);
    const sll = Buffer.concat([Buffer.from('00010001000652 5400aa0001 0000 0806'.replaceAll(' ', ''), 'hex'), body]);
    const sll2 = Buffer.concat([Buffer.from('0806 0000 00000007 0001 00 06 525400aa0001 0000'.replaceAll(' ', ''), 'hex'), body]);
    for (const [linkType, bytes] of [[113, sll], [276, sll2]] as const) {
      const [line] = decodeAll(pcap([{ bytes }], { linkType }));
      assert.deepEqual([line.kind, line.mac, line.address, line.verdict], ['garp', mac, '203.0.113.11', 'accepted']);
    }
  });

  it('tells of a link type that it does not know, and of a file that is cut', () => {
    assert.match(decodeAll(pcap([{ bytes: garp }], { linkType: 147 }))[0].error.text, /link type 147/);
    const whole = pcap([{ bytes: garp }, { bytes: garp }]);
    const lines = decodeAll(whole.subarray(0, whole.length - 5));
    assert.deepEqual(types(lines).slice(0, 1), ['garp']);
    assert.match(lines[1].error.text, /ends inside a packet/);
  });
});

/** A session: handshake, then the payloads, each in a segment of its own. */
function session(payloads: readonly (readonly [from: 'a' | 'b', bytes: Uint8Array])[], over: { v6?: boolean; extension?: number } = {}): Buffer[] {
  const [a, b] = over.v6 === true ? ['2001:db8::17', '2001:db8::1'] : ['192.0.2.17', '192.0.2.1'];
  const sequence = { a: 0xffff_fff0, b: 1000 };
  const make = (side: 'a' | 'b', flags: number, payload?: Uint8Array): Buffer => {
    const packet = ipPacket({
      from: side === 'a' ? a : b, to: side === 'a' ? b : a, fromPort: side === 'a' ? 40_000 : 179, toPort: side === 'a' ? 179 : 40_000,
      sequence: sequence[side], flags, ...(payload === undefined ? {} : { payload }), ...(over.extension === undefined ? {} : { extension: over.extension }),
    });
    sequence[side] = (sequence[side] + (payload?.length ?? 0) + (flags & 3 ? 1 : 0)) >>> 0;
    return packet;
  };
  return [make('a', 0x02), make('b', 0x12), make('a', 0x10), ...payloads.map(([side, bytes]) => make(side, 0x18, bytes)), make('a', 0x11), make('b', 0x11)];
}

const dialogue = [['a', open(65010)], ['b', open(65010)], ['a', keepalive], ['b', keepalive], ['a', update(4_200_000_017)]] as const;
const framed = (packets: readonly Uint8Array[]): PacketInput[] => packets.map((packet, i) => ({ bytes: ethernet(packet), ms: 1000 + i }));
const expected = ['OPEN', 'OPEN', 'KEEPALIVE', 'KEEPALIVE', 'UPDATE'];

describe('decode: BGP sessions of a capture', () => {
  it('lists the messages of both directions, read as the OPENs settled', () => {
    const lines = decodeAll(pcap(framed(session(dialogue))));
    assert.deepEqual(types(lines), expected);
    assert.deepEqual([lines[0].from, lines[0].to, lines[0].frame], ['192.0.2.17:40000', '192.0.2.1:179', 4]);
    assert.deepEqual(lines[4].attributes.AS_PATH, [{ type: 'AS_SEQUENCE', asns: [4_200_000_017] }]);
    assert.ok(lines.every(({ error }) => error === undefined));
  });

  it('reads 2-octet ASNs where one side lacks the capability', () => {
    const old = { fourOctetAs: false, ibgp: true, maxMessageLength: 4096 };
    const lines = decodeAll(pcap(framed(session([['a', open(65010, [])], ['b', open(65010)], ['b', update(65020, '203.0.113.11/32', old)]]))));
    assert.deepEqual(lines[2].attributes.AS_PATH, [{ type: 'AS_SEQUENCE', asns: [65020] }]);
    assert.equal(lines[2].error, undefined);
  });

  for (const [name, wrap, linkType] of [
    ['VLAN tags', (p: Uint8Array) => ethernet(p, [[0x8100, 7]]), 1],
    ['QinQ', (p: Uint8Array) => ethernet(p, [[0x88a8, 7], [0x8100, 8]]), 1],
    ['padding and FCS behind the packet', (p: Uint8Array) => Buffer.concat([ethernet(p), Buffer.alloc(10, 0xff)]), 1],
    ['raw IP', (p: Uint8Array) => p, 101],
    ['null/loopback', (p: Uint8Array) => Buffer.concat([Buffer.from([(p[0] as number) >>> 4 === 6 ? 30 : 2, 0, 0, 0]), p]), 0],
    ['Linux cooked', (p: Uint8Array) => Buffer.concat([Buffer.from('00000304000600000000000000000000', 'hex').subarray(0, 14), Buffer.from((p[0] as number) >>> 4 === 6 ? [0x86, 0xdd] : [8, 0]), p]), 113],
  ] as const) {
    for (const v6 of [false, true]) {
      it(`reads ${v6 ? 'IPv6 with an extension header' : 'IPv4 with options'} under ${name}`, () => {
        const packets = session(dialogue, { v6, extension: 8 }).map((packet) => ({ bytes: wrap(packet) }));
        assert.deepEqual(types(decodeAll(pcap(packets, { linkType }))), expected);
      });
    }
  }

  it('puts segments in order, drops repeats and overlaps, and cuts messages across segments', () => {
    const stream = joined(open(65010), keepalive, update(65010), keepalive);
    const at = (from: number, to: number): Buffer => ipPacket({ sequence: 501 + from, payload: stream.subarray(from, to) });
    const syn = ipPacket({ sequence: 500, flags: 2 });
    const pieces = [at(0, 10), at(40, 70), at(10, 45), at(0, 30), at(60, stream.length), at(60, 75)];
    assert.deepEqual(types(decodeAll(pcap(framed([syn, ...pieces])))), ['OPEN', 'KEEPALIVE', 'UPDATE', 'KEEPALIVE']);
    assert.deepEqual(types(decodeAll(pcap(framed(pieces)))), ['OPEN', 'KEEPALIVE', 'UPDATE', 'KEEPALIVE'], 'without the SYN too');
  });

  it('tells of octets that were not captured, and goes on at the next message', () => {
    const stream = joined(keepalive, update(65010), keepalive, keepalive);
    const cut = keepalive.length + 30;
    const hole = [
      ipPacket({ sequence: 500, flags: 2 }), ipPacket({ sequence: 501, payload: stream.subarray(0, cut) }),
      ipPacket({ sequence: 501 + cut + 5, payload: stream.subarray(cut + 5) }),
    ];
    const lines = decodeAll(pcap(framed(hole)));
    assert.deepEqual(types(lines).filter((type) => typeof type === 'string'), ['KEEPALIVE', 'KEEPALIVE', 'KEEPALIVE']);
    assert.deepEqual(lines.filter(({ error }) => error !== undefined).map(({ error }) => error.text), ['the rest of the message was not captured', '5 octets were not captured']);
  });

  it('takes what a short snap length cut off for a hole', () => {
    const long = joined(update(65010), keepalive);
    const packets = [ipPacket({ sequence: 500, flags: 2 }), ipPacket({ sequence: 501, payload: long }), ipPacket({ sequence: 501 + long.length, payload: keepalive })];
    const lines = decodeAll(pcap(framed(packets), { snap: 100 }));
    assert.equal(lines.at(-1).type, 'KEEPALIVE');
    assert.match(lines[1].error.text, /octets were not captured/);
  });

  it('reads a session that began before the capture, and tells its AS width from the AS_PATH', () => {
    const payload = joined(keepalive.subarray(4), update(4_200_000_017), update(65010));
    const [first, second, ...rest] = decodeAll(pcap(framed([ipPacket({ sequence: 99, payload })])));
    assert.deepEqual(rest, []);
    assert.deepEqual([first.type, first.as4, first.attributes.AS_PATH[0].asns, second.attributes.AS_PATH[0].asns], ['UPDATE', true, [4_200_000_017], [65010]]);
  });

  it('waits at a FIN for octets that are late, and takes what is sent again after it for a repeat', () => {
    const stream = joined(open(65010), keepalive, update(65010));
    const cut = stream.length - 20;
    const back = (sequence: number, flags: number): Buffer => ipPacket({ from: '192.0.2.1', to: '192.0.2.17', fromPort: 179, toPort: 40_000, sequence, flags });
    const last = ipPacket({ sequence: 501 + cut, payload: stream.subarray(cut) });
    const packets = [
      ipPacket({ sequence: 500, flags: 2 }), back(900, 2), ipPacket({ sequence: 501, payload: stream.subarray(0, cut) }), back(901, 0x11),
      ipPacket({ sequence: 501 + stream.length, flags: 0x11 }), last, last,
    ];
    assert.deepEqual(decodeAll(pcap(framed(packets))).map(({ type, error }) => [type, error]), [['OPEN', undefined], ['KEEPALIVE', undefined], ['UPDATE', undefined]]);
  });

  it('takes a SYN behind its own data, and no RST from nowhere', () => {
    const stream = joined(open(65010), keepalive, update(65010), keepalive);
    const first = ipPacket({ sequence: 501, payload: stream.subarray(0, 60) });
    const rest = ipPacket({ sequence: 561, payload: stream.subarray(60) });
    const syn = ipPacket({ sequence: 500, flags: 2 });
    const reset = ipPacket({ sequence: 777_777_777, flags: 4 });
    for (const packets of [[first, syn, rest], [syn, first, reset, rest]]) {
      assert.deepEqual(types(decodeAll(pcap(framed(packets)))), ['OPEN', 'KEEPALIVE', 'UPDATE', 'KEEPALIVE']);
    }
  });

  it('holds a bounded amount behind the holes of all connections together', () => {
    const connections = new Connections(false);
    const payload = new Uint8Array(60_000);
    let lost = 0;
    for (let port = 1024; port < 1124; port++) {
      const base = { source: ip('192.0.2.17'), destination: ip('192.0.2.1'), sourcePort: port, destinationPort: 179, ack: true, fin: false, rst: false, missing: 0 };
      lost += [...connections.take({ ...base, sequence: 0, syn: true, payload: payload.subarray(0, 0) }, 1, {})].length;
      for (let i = 0; i < 10; i++) lost += [...connections.take({ ...base, sequence: 100 + i * payload.length, syn: false, payload }, 1, {})].length;
    }
    assert.ok(lost > 0 && lost < 100, `${lost} holes were given up before the end`);
    assert.equal(lost + [...connections.end({})].length, 100, 'each is told once');
  });

  it('goes on behind a broken header, and starts anew at the SYN of another connection', () => {
    const bad = keepalive.slice();
    bad[3] = 0;
    const lines = decodeAll(pcap(framed([
      ipPacket({ sequence: 500, flags: 2 }), ipPacket({ sequence: 501, payload: joined(keepalive, bad, keepalive) }),
      ipPacket({ sequence: 9000, flags: 2 }), ipPacket({ sequence: 9001, payload: keepalive }),
    ])));
    assert.deepEqual(lines.map(({ type, error }) => [type, error?.code, error?.subcode, error?.offset]), [
      ['KEEPALIVE', undefined, undefined, undefined], ['KEEPALIVE', 1, 1, 3], ['KEEPALIVE', undefined, undefined, undefined], ['KEEPALIVE', undefined, undefined, undefined],
    ]);
  });
});
