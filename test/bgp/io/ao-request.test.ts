import assert from 'node:assert/strict';
import { addAoKey, decodeAoInfo, deleteAoKey, preferAoKey, type AoKey, type AoScope } from '../../../bgp/io/ao-request.ts';
import { probeTcpAo, tcpConnect, tcpListen } from '../../../native/index.ts';
import { ip } from '../../../net/ip.ts';

const v4: AoScope = { address: ip('192.0.2.1') };
const v6: AoScope = { address: ip('2001:db8::1') };
const key: AoKey = { sendId: 7, receiveId: 9, algorithm: 'hmac-sha1', key: new TextEncoder().encode('abc') };

/** What is not zero, as offset → hex of the run of octets from there. */
function parts(bytes: Uint8Array): Record<number, string> {
  const found: Record<number, string> = {};
  let start = -1;
  for (let i = 0; i <= bytes.length; i++) {
    if (i < bytes.length && bytes[i] !== 0) start = start < 0 ? i : start;
    else if (start >= 0) {
      found[start] = Buffer.from(bytes.subarray(start, i)).toString('hex');
      start = -1;
    }
  }
  return found;
}

const text = (value: string): string => Buffer.from(value).toString('hex');

describe('a request of TCP-AO', () => {
  it('TCP_AO_ADD_KEY: address, algorithm, prefix, IDs, MAC and key length, key', () => {
    const { option, bytes } = addAoKey(v4, key, false, true);
    assert.deepEqual([option, bytes.length], [38, 288]);
    assert.deepEqual(parts(bytes), { 0: '02', 4: 'c0', 6: '0201', 128: text('hmac(sha1)'), 202: '2007090c', 207: `03${text('abc')}` });
  });

  it('of IPv6, of a prefix, of a key that comes first, with AES', () => {
    const { bytes } = addAoKey({ ...v6, prefixLength: 64 }, { ...key, algorithm: 'aes-128-cmac', key: new Uint8Array(80).fill(0xff) }, true, true);
    assert.deepEqual(parts(bytes), { 0: '0a', 8: '20010db8', 23: '01', 128: text('cmac(aes128)'), 196: '03', 202: '4007090c', 207: `50${'ff'.repeat(80)}` });
    assert.equal(addAoKey(v6, key).bytes[202], 128);
    assert.equal(addAoKey({ address: ip('0.0.0.0'), prefixLength: 0 }, key).bytes[202], 0);
  });

  it('on a machine of the other order of octets', () => {
    assert.deepEqual(parts(addAoKey(v4, key, true, false).bytes), { 1: '02', 4: 'c0', 6: '0201', 128: text('hmac(sha1)'), 196: 'c0', 202: '2007090c', 207: `03${text('abc')}` });
    assert.deepEqual(parts(preferAoKey(key, false).bytes), { 0: '40', 7: '09' });
  });

  it('TCP_AO_DEL_KEY and TCP_AO_INFO', () => {
    assert.deepEqual([deleteAoKey(v4, key, true).option, deleteAoKey(v4, key, true).bytes.length], [39, 144]);
    assert.deepEqual(parts(deleteAoKey(v4, key, true).bytes), { 0: '02', 4: 'c0', 6: '0201', 138: '200709' });
    assert.deepEqual([preferAoKey(key, true).option, preferAoKey(key, true).bytes.length], [40, 48]);
    assert.deepEqual(parts(preferAoKey(key, true).bytes), { 0: '02', 7: '09' });
  });

  it('what a socket tells of itself', () => {
    const told = (flags: number): Uint8Array => Uint8Array.from([flags, 0, 0, 0, 0, 0, 7, 9, ...new Array<number>(40).fill(1)]);
    assert.deepEqual(decodeAoInfo(told(0b11), true), { sendId: 7, receiveId: 9 });
    assert.deepEqual(decodeAoInfo(told(0b01), true), { sendId: 7 });
    assert.deepEqual(decodeAoInfo(told(0x40), false), { receiveId: 9 });
    assert.deepEqual(decodeAoInfo(told(0b100), true), {});
  });

  it('no key that no kernel would take', () => {
    for (const bad of [{ key: new Uint8Array(0) }, { key: new Uint8Array(81) }, { sendId: 256 }, { receiveId: -1 }, { sendId: 1.5 }]) {
      assert.throws(() => addAoKey(v4, { ...key, ...bad }), RangeError);
    }
  });
});

describe('TCP-AO and the kernel', () => {
  const request = addAoKey({ address: ip('127.0.0.1') }, key);

  it('takes a key, or says that it has no TCP-AO', () => {
    const error = probeTcpAo(4, request);
    if (error !== undefined) assert.deepEqual([error.code, error.syscall], ['ENOPROTOOPT', 'setsockopt TCP_AO_ADD_KEY']);
    // What is no key is never taken, whatever the kernel.
    assert.ok(probeTcpAo(4, { ...request, bytes: new Uint8Array(288) }) instanceof Error);
  });

  it('an empty list of keys is an error, not a socket without any', async () => {
    assert.throws(() => tcpListen({ family: 4, address: '127.0.0.1', port: 0, ao: [] }), { code: 'EINVAL', syscall: 'setsockopt TCP_AO_ADD_KEY' });
    const error = await new Promise((resolve) => tcpConnect({ family: 4, address: '127.0.0.1', port: 1, ao: [] }, resolve));
    assert.deepEqual([(error as { code: string }).code, (error as { syscall: string }).syscall], ['EINVAL', 'setsockopt TCP_AO_ADD_KEY']);
  });
});
