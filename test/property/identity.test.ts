import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Claim, admit } from '../../identity/admit.ts';
import { type BindingOptions, identify, makeBindingTable } from '../../identity/bindings.ts';
import { type LearnLimits, learn } from '../../identity/learned.ts';
import { compileWatch, findPrefix } from '../../identity/watch-rules.ts';
import { type IpAddress, ipFromBytes, ipToBytes, isIpv4, isUnusable, makePrefix, prefixAddress, prefixContains, prefixLength } from '../../net/ip.ts';
import { type Mac, parseMac } from '../../net/mac.ts';

/** Few values, so that everything meets everything. */
const octet = fc.constantFrom(0, 1, 2, 127, 128, 224, 255);
const ipv4 = fc.tuple(fc.constantFrom(10, 10, 10, 224), fc.constantFrom(0, 1), octet, octet).map((bytes) => ipFromBytes(Uint8Array.from(bytes), 0, 4));
const ipv6 = fc.tuple(fc.constantFrom(0, 1), octet, octet).map(([net, a, b]) => {
  const bytes = new Uint8Array(16);
  bytes.set([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, net]);
  bytes.set([a, b], 14);
  return ipFromBytes(bytes, 0, 16);
});
const address = fc.oneof(ipv4, ipv6);
const prefix = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([a, length]) => makePrefix(a, length)),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([a, length]) => makePrefix(a, length)),
);
const mac = fc.nat(4).map((i) => parseMac(`52:54:0:aa:0:${i}`) as Mac);
const vlan = fc.constantFrom(0, 100, 200);
const vrf = fc.constantFrom('default', 'red');
const binding: fc.Arbitrary<BindingOptions> = fc
  .record({ mac, vrf, ips: fc.array(address, { maxLength: 3 }), vlan: fc.option(vlan, { nil: undefined }) })
  .map(({ vlan: inVlan, ...rest }) => ({ vm: 'vm', ...rest, ...(inVlan === undefined ? {} : { vlan: inVlan }) }));
const claim: fc.Arbitrary<Claim> = fc.record({
  kind: fc.constantFrom('garp' as const, 'rarp' as const, 'na' as const, 'arp' as const, 'ns' as const),
  mac, vlan, vrf,
  role: fc.constantFrom('local' as const, 'uplink' as const, 'unlisted' as const),
  port: fc.integer({ min: 1, max: 3 }).map((ifindex) => ({ ifindex, name: `vnet${ifindex}` })),
});
const options = fc.record({
  prefixes: fc.array(prefix, { maxLength: 4 }),
  exclude: fc.array(address, { maxLength: 2 }),
  announcements: fc.subarray(['garp', 'rarp', 'na', 'any-arp'] as ('garp' | 'rarp' | 'na' | 'any-arp')[]),
  vlans: fc.option(fc.constant([[100, 100]] as [number, number][]), { nil: undefined }),
});

function value(of: IpAddress): bigint {
  return ipToBytes(of).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

describe('findPrefix', () => {
  it('agrees with a slow model in both families', () => {
    fc.assert(fc.property(fc.array(prefix, { maxLength: 6 }), address, (prefixes, of) => {
      const found = findPrefix(compileWatch({ bridge: 'b', vrf: 'default', announcements: [], exclude: [], prefixes }), of);
      const longest = prefixes.filter((each) => prefixContains(each, of)).sort((a, b) => prefixLength(b) - prefixLength(a))[0];
      assert.equal(found?.prefix, longest);
      if (longest === undefined) return;
      const bits = isIpv4(of) ? 32 : 128;
      const host = value(of) - value(prefixAddress(longest));
      const size = 1n << BigInt(bits - prefixLength(longest));
      const standing = size <= 2n ? 'host' : host === 0n ? 'network' : host === size - 1n && bits === 32 ? 'broadcast' : 'host';
      assert.equal(found?.standing, standing);
    }), { numRuns: 2000 });
  });
});

describe('identify and admit', () => {
  const small: LearnLimits = { perPort: 4, perMac: 2, inAll: 6, pinAfterMs: 5 };

  it('what is accepted is inside the prefixes, not excluded, and bound or learnable; what is not has another verdict', () => {
    fc.assert(fc.property(
      fc.array(binding, { maxLength: 5 }), options, fc.array(fc.tuple(claim, fc.option(address, { nil: undefined })), { maxLength: 40 }),
      fc.constantFrom('strict' as const, 'learn' as const), fc.constantFrom('keep' as const, 'newest' as const), fc.array(mac, { maxLength: 2 }),
      (given, watch, heard, mode, onConflict, living) => {
        const table = makeBindingTable(given);
        const { vlans, ...others } = watch;
        const compiled = compileWatch({ bridge: 'b', vrf: 'default', ...others, ...(vlans === undefined ? {} : { vlans }) });
        const rules = {
          watch: compiled, identity: { mode, onConflict, unverifiedPorts: 'allow' as const }, bindings: table, limits: small,
          isOwnAddress: (of: IpAddress) => of === '10.0.0.1', livesHere: ({ mac: of }: { mac: Mac }) => living.includes(of), livesElsewhere: () => false, takesOver: () => false,
        };
        let now = 0;
        for (const [by, spoken] of heard) {
          const said: Claim = by.kind === 'rarp' || spoken === undefined ? by : { ...by, address: spoken };
          const { addresses } = identify(table, said);
          assert.equal(new Set(addresses).size, addresses.length);
          for (const meant of addresses.length === 0 ? [undefined] : addresses) {
            const admission = admit(rules, said, meant);
            assert.match(admission.reason, /^[\x20-\x7e]+$/);
            if (admission.verdict !== 'accepted') {
              assert.equal(admission.learns, false);
              continue;
            }
            assert.ok(meant !== undefined && !isUnusable(meant) && meant !== '10.0.0.1' && !watch.exclude.includes(meant));
            assert.ok(watch.prefixes.some((each) => prefixContains(each, meant)));
            assert.ok(said.role !== 'unlisted');
            assert.ok(vlans === undefined || said.vlan === 100);
            const holders = given.filter((each) => each.vrf === said.vrf && each.ips.includes(meant));
            const bound = holders.some((each) => each.mac === said.mac && (each.vlan === undefined || each.vlan === said.vlan));
            assert.equal(admission.learns, !bound);
            if (!bound) assert.ok(mode === 'learn' && holders.length === 0);
            if (admission.learns) {
              const { kept } = learn(table.learned, { vrf: said.vrf, vlan: said.vlan, mac: said.mac, address: meant, ifindex: said.port.ifindex }, ++now, small);
              assert.equal(kept, true, 'admitted, so there was room');
            }
          }
          const { pairs, byMac, byPort, unpinned } = table.learned;
          assert.ok(pairs.size <= small.inAll && unpinned.size <= pairs.size);
          for (const keys of byPort.values()) assert.ok(keys.size <= small.perPort);
          for (const keys of byMac.values()) assert.ok(keys.size <= small.perMac);
          assert.equal([...byMac.values()].reduce((sum, keys) => sum + keys.size, 0), pairs.size);
          assert.equal([...byPort.values()].reduce((sum, keys) => sum + keys.size, 0), pairs.size);
        }
      },
    ), { numRuns: 500 });
  });
});
