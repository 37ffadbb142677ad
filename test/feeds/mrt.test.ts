import assert from 'node:assert/strict';
import { messageRecord, stateRecord } from '../../feeds/mrt.ts';
import type { Neighbour } from '../../feeds/observation.ts';
import { ip } from '../../net/ip.ts';
import { mrtDecoder } from '../../src/decode/mrt.ts';
import { hex, octets as bytesOf, update } from '../bgp/wire/build.ts';
import { ends, hearAll, keepalive, neighbour, octets, open, opened, encode, ours, theirs } from './talk.ts';

const route = update('', '40010100 400200 400304c0000209', '20cb007101');

function decode(records: readonly Uint8Array[]): Record<string, unknown>[] {
  const decoder = mrtDecoder();
  return [...records.flatMap((record) => [...decoder.push(record)]), ...decoder.end()];
}

describe('MRT', () => {
  it('a record is as RFC 6396 draws it', () => {
    const [heard] = hearAll([opened, octets(true, keepalive, 1_764_000_000_250.5)]).heard;
    assert.ok(heard?.type === 'message');
    assert.equal(hex(messageRecord(heard)), hex(bytesOf(`69248100 0011 0007 0000002b 0003d284 0000fde9 fa56ea01 0000 0001 c0000201 c0000202 ${hex(keepalive)}`)));
    assert.equal(hex(stateRecord(neighbour, undefined, 'Idle', 'Connect', 1_764_000_000_000)), hex(bytesOf('69248100 0011 0005 0000001c 00000000 0000fde9 fa56ea01 0000 0001 c0000201 00000000 0001 0002')));
    const v6: Neighbour = { ...neighbour, address: ip('fe80::1') };
    assert.equal(hex(stateRecord(v6, ip('fe80::2'), 'OpenConfirm', 'Established', 0)).slice(2 * 26), hex(bytesOf('0002 fe800000000000000000000000000001 fe800000000000000000000000000002 0005 0006')));
  });

  it('what is written is read by landfall decode: both ways, between whom, and when', () => {
    const { heard } = hearAll([opened, octets(true, Buffer.concat([ours, keepalive])), octets(false, Buffer.concat([theirs, keepalive, route]), 1500), octets(true, route, 1_764_000_000_250.5)]);
    const lines = decode([...heard.flatMap((each) => (each.type === 'message' ? [messageRecord(each)] : [])), stateRecord(neighbour, ends.localAddress, 'Established', 'Idle', 2000)]);
    assert.deepEqual(lines.map(({ type, error }) => [type, error]), [...['OPEN', 'KEEPALIVE', 'OPEN', 'KEEPALIVE', 'UPDATE', 'UPDATE', 'STATE_CHANGE'].map((type) => [type, undefined])]);
    assert.deepEqual(lines[4]?.['from'], { address: '192.0.2.1', asn: 65_001 });
    assert.deepEqual(lines[5]?.['from'], { address: '192.0.2.2', asn: 4_200_000_001 });
    assert.equal(lines[5]?.['time'], '2025-11-24T16:00:00.250Z');
    assert.deepEqual([lines[6]?.['fromState'], lines[6]?.['toState']], ['Established', 'Idle']);
  });

  it('a session of 2-octet ASNs has records of its own; an ASN that has no room is AS_TRANS', () => {
    const { heard } = hearAll([opened, octets(true, Buffer.concat([ours, keepalive])), octets(false, Buffer.concat([encode(open(65_001, '192.0.2.1', [])), keepalive])), octets(false, route)]);
    const last = heard.flatMap((each) => (each.type === 'message' ? [messageRecord(each)] : [])).at(-1) as Uint8Array;
    assert.equal(hex(last).slice(12, 16), '0001');
    assert.equal(hex(last).slice(2 * 16, 2 * 20), 'fde95ba0');
    assert.equal(decode([last])[0]?.['type'], 'UPDATE');
  });
});
