import assert from 'node:assert/strict';
import { ip } from '../../net/ip.ts';
import { claimsFor, warmUp } from '../../src/warm-up.ts';
import { valid } from '../config/fixtures.ts';

const base = `apiVersion: landfall/v1
watch: [{bridge: br, ports: {local: ["tap*"], uplink: [up0]}, prefixes: [203.0.113.0/24, "2001:db8:100::/64"]}]
`;
const now = { monotonicMs: 1000.5, wallMs: Date.UTC(2026, 0, 1), wallTrusted: true };

describe('warm-up', () => {
  for (const [name, text] of Object.entries({
    'strict, with bindings': `${base}bgp: {asn: 65010, peers: [{name: t, address: 192.0.2.1, asn: 65010}]}
identity: {bindings: [{vm: a, mac: "52:54:00:aa:00:01", ips: [203.0.113.11, "2001:db8:100::11"]}]}`,
    'strict, without any binding': `${base}bgp: {asn: 65010, peers: [{name: t, address: 192.0.2.1, asn: 65010}]}`,
    'learn, over eBGP': `${base}bgp: {asn: 4200000001, peers: [{name: t, address: "2001:db8::1", asn: 65001, routes: {profile: window}}]}
identity: {mode: learn}`,
    'no peer': `${base}bgp: {asn: 65010, peers: []}`,
  })) {
    it(`claims with the configuration that will run: ${name}`, () => {
      assert.ok(warmUp({ config: valid(text), routerId: ip('192.0.2.17') }, now, (bytes) => Buffer.from(bytes), 200) >= 40);
    }).timeout(20_000);
  }

  it('makes fewer claims for many peers, so that a start takes no longer with them', () => {
    assert.deepEqual([0, 1, 2, 4, 16, 64, 1000].map(claimsFor), [2000, 2000, 2000, 1000, 250, 100, 100]);
  });
});
