import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { ip } from '../../net/ip.ts';
import { intentOf, type TorIntent, type TorOptions } from '../../src/tor-config/intent.ts';
import { oses, renderTorConfig } from '../../src/tor-config/render.ts';
import { valid } from '../config/fixtures.ts';

function configOf(peerAsn: number, profile: string, asn = 65010): Config {
  return valid(`apiVersion: landfall/v1
bgp:
  asn: ${asn}
  routerId: 192.0.2.2
  nextHop: {ipv4: 192.0.2.2, ipv6: "2001:db8::2"}
  peers: [{name: tor-a, address: 192.0.2.1, asn: ${peerAsn}, password: {env: KEY}, ttlSecurity: true, routes: {profile: ${profile}}}]
watch: [{bridge: br, ports: {local: ["tap*"]}, prefixes: [203.0.113.0/24, "2001:db8:100::/64"]}]
identity: {bindings: [{vm: a, mac: "52:54:00:aa:00:01", ips: [203.0.113.11, "2001:db8:100::11"]}]}
`);
}

function intent(config: Config, options: Partial<TorOptions> = {}): TorIntent {
  const made = intentOf(config, config.bgp.peers[0]!, { role: 'tor', neighbors: [], fabric: [], ...options });
  assert.ok(typeof made !== 'string', String(made));
  return made;
}

const places = (text: string, words: readonly RegExp[]): number[] => words.map((word) => text.search(word));

describe('tor-config', () => {
  it('every language lets in host routes of the watched prefixes alone, both families, and names the peer', () => {
    for (const os of oses) {
      const text = renderTorConfig(os, intent(configOf(65001, 'ladder')));
      for (const word of ['203.0.113.0/24', '2001:db8:100::/64', '192.0.2.2', '65010', 'tor-a', 'CHANGE']) assert.ok(text.includes(word), `${os} has ${word}:\n${text}`);
      assert.match(text, /uRPF|unicast RPF/);
      assert.match(text, /discard/);
    }
  });

  it('FRR, ladder: a term for each step, the highest first, leaving last; the fabric too', () => {
    const text = renderTorConfig('frr', intent(configOf(65001, 'ladder'), { fabric: [{ address: ip('192.0.2.9'), asn: 65100 }] }));
    const order = places(text, [/set local-preference 207/, /set local-preference 200/, /set local-preference 50/, /set local-preference 40/, /router bgp 65001/]);
    assert.deepEqual(order, [...order].sort((a, b) => a - b), text);
    assert.ok(order.every((at) => at > 0));
    assert.match(text, /neighbor 192\.0\.2\.9 route-map LANDFALL-FABRIC-IN in/);
    assert.match(text, /neighbor 192\.0\.2\.2 route-map LANDFALL-IN in/);
    assert.match(text, /neighbor 192\.0\.2\.2 maximum-prefix 64 restart 1/);
    for (const line of ['advertisement-interval 0', 'send-community all', 'ttl-security hops 1', 'password CHANGE-ME']) assert.ok(text.includes(`neighbor 192.0.2.2 ${line}`), line);
    assert.match(text, /neighbor 192\.0\.2\.2 prefix-list LANDFALL-VMS6 out/);
  });

  it('FRR: says nothing that holds for all of the router\'s sessions, and has a policy each way on eBGP', () => {
    for (const [asn, profile] of [[65010, 'sequence'], [65001, 'sequence'], [65001, 'ladder'], [65001, 'prepend']] as const) {
      const text = renderTorConfig('frr', intent(configOf(asn, profile)));
      assert.doesNotMatch(text, /^ +(no )?(bgp|maximum-paths|network) /m);
      assert.equal(/neighbor 192\.0\.2\.2 route-map LANDFALL-IN in/.test(text) && /neighbor 192\.0\.2\.2 route-map LANDFALL-OUT out/.test(text), asn !== 65010);
      assert.equal(/^route-map LANDFALL-IN permit 10$/m.test(text) && /^route-map LANDFALL-OUT permit 10$/m.test(text), asn !== 65010);
    }
    const text = renderTorConfig('frr', { ...intent(configOf(65001, 'sequence')), families: ['ipv6-unicast'] });
    assert.match(text, /address-family ipv4 unicast\n {2}no neighbor 192\.0\.2\.2 activate\n/);
  });

  it('FRR: what would take the place of a fabric session\'s own policy is marked, and how to keep that', () => {
    const text = renderTorConfig('frr', intent(configOf(65001, 'ladder'), { fabric: [{ address: ip('192.0.2.9'), asn: 65100 }] }));
    assert.match(text, /! CHANGE: where 192\.0\.2\.9 has an inbound route-map, LANDFALL-FABRIC-IN would replace it.*\n.*call LANDFALL-FABRIC-IN.*on-match next/);
    assert.match(text, /! CHANGE: 192\.0\.2\.9 needs policies .*RFC 8212/);
  });

  it('says what a pair of reflectors must not do, and no dampening on eBGP', () => {
    assert.match(renderTorConfig('frr', intent(configOf(65010, 'sequence'))), /maximum-paths ibgp 1/);
    assert.doesNotMatch(renderTorConfig('frr', intent(configOf(65010, 'sequence'))), /dampening/);
    assert.match(renderTorConfig('eos', intent(configOf(65001, 'ladder'))), /No route flap dampening/);
  });

  it('iBGP: a reflector and no inbound LOCAL_PREF policy', () => {
    for (const [os, reflects] of [['frr', /route-reflector-client/], ['bird', /rr client/], ['gobgp', /route-reflector-client = true/], ['openbgpd', /route-reflector/], ['eos', /route-reflector-client/], ['nxos', /route-reflector-client/], ['junos', /cluster/]] as const) {
      const text = renderTorConfig(os, intent(configOf(65010, 'sequence')));
      assert.match(text, reflects);
      assert.ok(!/local-preference \d|bgp_local_pref =|set-local-pref|set localpref/.test(text), `${os}:\n${text}`);
    }
  });

  it('an ASN of four octets matches large communities', () => {
    const config = configOf(65001, 'window', 4200000017);
    assert.match(renderTorConfig('frr', intent(config)), /bgp large-community-list standard LANDFALL-ELEVATED seq 5 permit 4200000017:9:200/);
    assert.match(renderTorConfig('bird', intent(config)), /\(4200000017, 9, 200\) ~ bgp_large_community/);
  });

  it('nodes that share an AS hear of each other', () => {
    assert.match(renderTorConfig('nxos', intent(configOf(65001, 'sequence'))), /disable-peer-as-check/);
    assert.match(renderTorConfig('junos', intent(configOf(65001, 'sequence'))), /advertise-peer-as/);
  });

  it('a spine maps on its sessions to ToRs, and its AS is to be told', () => {
    const config = configOf(65001, 'ladder');
    const text = renderTorConfig('frr', intent(config, { role: 'spine', neighbors: [{ address: ip('192.0.2.6'), asn: 65001 }] }));
    assert.match(text, /CHANGE the AS number/);
    assert.match(text, /neighbor 192\.0\.2\.6 route-map LANDFALL-FABRIC-IN in/);
    const ibgp = configOf(65010, 'sequence');
    assert.match(String(intentOf(ibgp, ibgp.bgp.peers[0]!, { role: 'spine', neighbors: [], fabric: [] })), /iBGP/);
  });

  it('a router program on the node reflects to the ToR; landfall needs an address of its own', () => {
    const config = configOf(65001, 'ladder');
    assert.match(String(intentOf(config, config.bgp.peers[0]!, { role: 'node', neighbors: [], fabric: [] })), /--neighbor/);
    const text = renderTorConfig('frr', intent(config, { role: 'node', neighbors: [{ address: ip('192.0.2.200'), asn: 65010 }] }));
    assert.match(text, /router bgp 65010/);
    assert.match(text, /neighbor 192\.0\.2\.200 route-reflector-client/);
    assert.match(text, /neighbor 192\.0\.2\.1 remote-as 65001/);
  });

  it('FRR is told to replace IPv6 routes', () => {
    for (const os of oses) assert.equal(/zebra_options/.test(renderTorConfig(os, intent(configOf(65010, 'sequence')))), os === 'frr', os);
  });

  it('a session over link-local addresses: the router\'s interface is to be told, and no address of ours is taken for it', () => {
    const config = configOf(65010, 'sequence');
    const peer = { ...config.bgp.peers[0]!, address: ip('fe80::1'), interface: 'eth0' };
    assert.match(String(intentOf(config, peer, { role: 'tor', neighbors: [], fabric: [] })), /link-local.*--neighbor.*neighbor INTERFACE interface remote-as 65010/);
    assert.equal(typeof intentOf(config, peer, { role: 'tor', neighbors: [{ address: ip('2001:db8::2'), asn: 65010 }], fabric: [] }), 'object');
  });

  it('says what was not tried', () => {
    for (const os of oses) {
      const tried = ['frr', 'bird', 'gobgp', 'openbgpd'].includes(os);
      assert.equal(/Not verified/.test(renderTorConfig(os, intent(configOf(65001, 'window')))), !tried, os);
    }
  });

  it('prints no key', () => {
    for (const os of oses) assert.ok(!renderTorConfig(os, intent(configOf(65001, 'window'))).includes('KEY'), os);
  });
});
