import assert from 'node:assert/strict';
import { greeting, messageFor, statistics, tables, termination } from '../../feeds/bmp-feed.ts';
import { encodeBmp, type BmpPeer } from '../../feeds/bmp.ts';
import { pauseMs } from '../../feeds/back-off.ts';
import { ip } from '../../net/ip.ts';
import { hex, octets as bytesOf, update } from '../bgp/wire/build.ts';
import { encode, hearAll, keepalive, neighbour, octets, opened, ours, theirs, upSession } from './talk.ts';

const route = update('', '40010100 400200 400304c0000209', '20cb007101');
const cease = encode({ type: 'NOTIFICATION', code: 6, subcode: 2, data: new Uint8Array(0) });
const about = { sysName: 'hv-1', sysDescr: 'landfall 0.1.0' };
const peer: BmpPeer = { address: ip('192.0.2.1'), asn: 65_001, identifier: ip('192.0.2.1'), instance: 0, as2: false, atMs: 1_764_000_000_250.5 };
/** The per-peer header of `peer`, with these flags. */
const header = (flags: string): string => `00 ${flags} 0000000000000000 000000000000000000000000c0000201 0000fde9 c0000201 69248100 0003d284`;
const frame = (type: number, body: string): string => {
  const octetsOfBody = body.replace(/\s+/g, '');
  return `03${(6 + octetsOfBody.length / 2).toString(16).padStart(8, '0')}${type.toString(16).padStart(2, '0')}${octetsOfBody}`;
};
const text = (value: string): string => Buffer.from(value).toString('hex');
const typeOf = (message: Uint8Array): number => message[5] as number;

describe('BMP', () => {
  it('messages are as RFC 7854 draws them', () => {
    assert.equal(hex(encodeBmp({ type: 'initiation', ...about })), frame(4, `0001 000e ${text(about.sysDescr)} 0002 0004 ${text(about.sysName)}`));
    assert.equal(hex(termination()), frame(5, '0001 0002 0000'));
    assert.equal(hex(encodeBmp({ type: 'peerDown', peer, reason: 3, data: cease })), frame(2, `${header('00')} 03 ${hex(cease)}`));
    assert.equal(
      hex(encodeBmp({ type: 'peerUp', peer, localAddress: ip('192.0.2.2'), localPort: 40_000, remotePort: 179, sentOpen: ours, receivedOpen: theirs })),
      frame(3, `${header('00')} 000000000000000000000000c0000202 9c40 00b3 ${hex(ours)} ${hex(theirs)}`),
    );
    assert.equal(hex(encodeBmp({ type: 'statistics', peer, gauges: [{ type: 7, value: 5_000_000_000 }, { type: 9, family: 513, value: 3 }] })),
      frame(1, `${header('00')} 00000002 0007 0008 000000012a05f200 0009 000b 0002 01 0000000000000003`));
  });

  it('route monitoring: before policy what came, O and L what was sent, A with 2-octet ASNs', () => {
    const flagsOf = (more: Partial<BmpPeer>, rib: 'adj-rib-in' | 'adj-rib-out'): string => hex(encodeBmp({ type: 'routeMonitoring', peer: { ...peer, ...more }, rib, update: route }));
    assert.equal(flagsOf({}, 'adj-rib-in'), frame(0, `${header('00')} ${hex(route)}`));
    assert.equal(flagsOf({}, 'adj-rib-out'), frame(0, `${header('50')} ${hex(route)}`));
    assert.equal(flagsOf({ as2: true }, 'adj-rib-in'), frame(0, `${header('20')} ${hex(route)}`));
    const v6 = encodeBmp({ type: 'routeMonitoring', peer: { ...peer, address: ip('2001:db8::1'), instance: 3 }, rib: 'adj-rib-out', update: route });
    assert.equal(hex(v6).slice(12, 12 + 2 * 26), hex(bytesOf('02 d0 0000000000000003 20010db8000000000000000000000001')));
  });

  it('a session that comes up, talks and ends', () => {
    const { heard } = hearAll([
      opened, octets(true, Buffer.concat([ours, keepalive])), octets(false, Buffer.concat([theirs, keepalive, route])), octets(true, route), octets(false, cease), { type: 'closed', connection: 1, byUs: false, atMs: 9000 },
    ]);
    const messages = heard.flatMap((each) => messageFor(each) ?? []);
    assert.deepEqual(messages.map(typeOf), [3, 0, 0, 2]);
    assert.deepEqual(messages.map((message) => message[7]), [0, 0, 0x50, 0]);
    assert.equal(hex(messages[3] as Uint8Array).slice(2 * 48), `03${hex(cease)}`);
  });

  it('the reason of an end without words: we restart, or the neighbour is gone', () => {
    const reason = (byUs: boolean): string => hex(hearAll([{ type: 'closed', connection: 1, byUs, atMs: 9000 }], upSession()).heard.flatMap((each) => messageFor(each) ?? [])[0] as Uint8Array).slice(2 * 48);
    assert.deepEqual([reason(true), reason(false)], ['020002', '04']);
  });

  it('a station that connects late is told who, which sessions, then what stands on them', () => {
    const { sessions } = hearAll([octets(false, route), octets(true, update('', '40010100 400200 400304c0000209', '20cb007102')), octets(true, update('20cb007102', '', ''))], upSession());
    assert.deepEqual(greeting(sessions, about).map(typeOf), [4, 3]);
    const told = [...tables(sessions)];
    assert.deepEqual(told.map((message) => [message[7], message.length - 48]), [[0, route.length], [0, 23], [0, 29], [0x50, 23], [0x50, 29]]);
    assert.equal(hex(told[0] as Uint8Array).slice(2 * 48), hex(route));
    assert.deepEqual(greeting(hearAll([]).sessions, about).map(typeOf), [4]);
  });

  it('nothing is said of a session that ends while its tables are told', () => {
    const { sessions } = hearAll([octets(false, route), octets(true, route)], upSession());
    const told = tables(sessions);
    assert.equal(told.next().done, false);
    hearAll([{ type: 'closed', connection: 1, byUs: false, atMs: 9000 }], sessions);
    assert.equal(told.next().done, true);
  });

  it('reports count the routes of both directions, and those of each family', () => {
    const { sessions } = hearAll([octets(false, route), octets(true, route), octets(true, update('', '40010100 400200 400304c0000209', '20cb007102'))], upSession());
    const [report] = statistics(sessions, 5000) as [Uint8Array];
    assert.equal(hex(report).slice(2 * 48), hex(bytesOf('00000004 0007 0008 0000000000000001 0009 000b 0001 01 0000000000000001 000f 0008 0000000000000002 0011 000b 0001 01 0000000000000002')));
    assert.equal(neighbour.instance, 0);
  });

  it('the pause between attempts doubles up to a minute, and is never the same for all', () => {
    assert.deepEqual([0, 1, 2, 5, 6, 1000].map((failures) => pauseMs(failures, 0)), [1000, 2000, 4000, 32_000, 60_000, 60_000]);
    assert.equal(pauseMs(0, 0.999), 750);
  });
});
