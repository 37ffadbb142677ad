import assert from 'node:assert/strict';
import type { IpAddress } from '../../net/ip.ts';
import { chooseRouterId } from '../../src/router-id.ts';
import { fileOf, valid } from '../config/fixtures.ts';

const choose = (bgp: string, own: readonly string[] = [], node = 'hv-1'): string => {
  const { routerId, from } = chooseRouterId(valid(fileOf({ bgp, node: `{name: ${node}}` })), own as IpAddress[]);
  return `${routerId} ${from}`;
};
const peer = '{name: a, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast]';

describe('the BGP Identifier', () => {
  it('is the one configured, else an address of a session, else one of the node', () => {
    assert.equal(choose(`{asn: 65010, routerId: 192.0.2.99, nextHop: {ipv4: 192.0.2.17}, peers: [${peer}}]}`, ['198.51.100.1']), '192.0.2.99 configured');
    assert.equal(choose(`{asn: 65010, nextHop: {ipv4: 192.0.2.17}, peers: [${peer}}]}`, ['198.51.100.1']), '192.0.2.17 session');
    assert.equal(choose(`{asn: 65010, peers: [${peer}, sourceAddress: 192.0.2.18}]}`, ['198.51.100.1']), '192.0.2.18 session');
    assert.equal(choose(`{asn: 65010, peers: [${peer}}]}`, ['2001:db8::1', '127.0.0.1', '169.254.1.1', '198.51.100.1']), '198.51.100.1 node');
  });

  it('is derived from the name where the node has no IPv4 address: the same each time, another for each name', () => {
    const derived = (name: string): string => choose(`{asn: 65010, peers: [${peer}}]}`, ['2001:db8::1'], name);
    assert.match(derived('hv-1'), /^[\d.]+ derived$/);
    assert.equal(derived('hv-1'), derived('hv-1'));
    assert.equal(new Set(Array.from({ length: 40 }, (_, i) => derived(`hv-${i}`))).size, 40);
  });
});
