import assert from 'node:assert/strict';
import { dialledStays } from '../../bgp/collision.ts';
import { BgpError } from '../../bgp/errors.ts';
import { negotiate, ownOpen } from '../../bgp/negotiate.ts';
import type { SessionOptions } from '../../bgp/session-contract.ts';
import type { Capability, OpenMessage } from '../../bgp/wire/messages.ts';
import { ip } from '../../net/ip.ts';

const options: SessionOptions = {
  peer: 'tor-a', localAsn: 65010, peerAsn: 65020, bgpIdentifier: ip('192.0.2.17'), families: ['ipv4-unicast', 'ipv6-unicast'],
  holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 5, passive: false,
};
const ipv4: Capability = { type: 'multiprotocol', afi: 1, safi: 1 };
const ipv6: Capability = { type: 'multiprotocol', afi: 2, safi: 1 };
const as4 = (asn: number): Capability => ({ type: 'fourOctetAs', asn });
const open = (changes: Partial<OpenMessage> = {}): OpenMessage => ({
  type: 'OPEN', version: 4, myAs: 65020, holdTimeSeconds: 90, bgpIdentifier: ip('192.0.2.1'), capabilities: [ipv4, ipv6, as4(65020)], ...changes,
});

describe('the OPEN that we send', () => {
  it('tells families, route refresh and the 4-octet ASN', () => {
    assert.deepEqual(ownOpen(options, true), {
      type: 'OPEN', version: 4, myAs: 65010, holdTimeSeconds: 9, bgpIdentifier: '192.0.2.17',
      capabilities: [ipv4, ipv6, { type: 'routeRefresh' }, { type: 'extendedMessage' }, as4(65010)],
    });
  });

  it('offers marked refreshes beside graceful restart alone', () => {
    const message = ownOpen({ ...options, gracefulRestart: { restartTimeSeconds: 60, restarting: false, forwardingPreserved: true } }, true);
    assert.ok(message.capabilities.some(({ type }) => type === 'enhancedRouteRefresh'));
  });

  it('says AS_TRANS for an ASN of more than two octets', () => {
    const message = ownOpen({ ...options, localAsn: 4200000017 }, true);
    assert.equal(message.myAs, 23456);
    assert.deepEqual(message.capabilities.at(-1), as4(4200000017));
  });

  for (const [restarting, first, restartState] of [[true, true, true], [true, false, false], [false, true, false]] as const) {
    it(`has the restart bit ${restartState ? 'set' : 'clear'} when restarting is ${restarting} and the OPEN is ${first ? 'of the first session' : 'a later one'}`, () => {
      const message = ownOpen({ ...options, gracefulRestart: { restartTimeSeconds: 60, restarting, forwardingPreserved: true } }, first);
      assert.deepEqual(message.capabilities.at(-1), {
        type: 'gracefulRestart', restartState, notification: false, restartTimeSeconds: 60,
        families: [{ afi: 1, safi: 1, forwardingState: true }, { afi: 2, safi: 1, forwardingState: true }],
      });
    });
  }
});

describe('negotiation', () => {
  for (const [what, changes, own, families] of [
    ['both families', {}, {}, ['ipv4-unicast', 'ipv6-unicast']],
    ['the one that the peer has', { capabilities: [ipv6, as4(65020)] }, {}, ['ipv6-unicast']],
    ['the one that we have', {}, { families: ['ipv6-unicast'] }, ['ipv6-unicast']],
    ['ours among others that we do not know', { capabilities: [{ type: 'multiprotocol', afi: 25, safi: 70 }, { type: 'multiprotocol', afi: 1, safi: 128 }, ipv4] }, {}, ['ipv4-unicast']],
    ['IPv4 with a peer that names none', { capabilities: [] }, {}, ['ipv4-unicast']],
    ['IPv4 once, though it is named twice', { capabilities: [ipv4, ipv4] }, {}, ['ipv4-unicast']],
  ] as const satisfies readonly (readonly [string, Partial<OpenMessage>, Partial<SessionOptions>, readonly string[]])[]) {
    it(`agrees on ${what}`, () => assert.deepEqual(negotiate({ ...options, ...own }, open(changes)).families, families));
  }

  for (const [own, theirs, configured, hold, keepalive] of [
    [9, 90, 3, 9, 3], [90, 9, 30, 9, 3], [90, 30, 5, 30, 5], [9, 3, 3, 3, 1], [0, 90, 0, 0, 0], [9, 0, 3, 0, 0], [9, 9, 0, 9, 3], [65535, 65535, 65535, 65535, 21845],
  ] as const) {
    it(`hold ${own} and ${theirs}, keepalive ${configured}: hold ${hold}, keepalive ${keepalive}`, () => {
      const agreement = negotiate({ ...options, holdSeconds: own, keepaliveSeconds: configured }, open({ holdTimeSeconds: theirs }));
      assert.equal(agreement.holdTimeSeconds, hold);
      assert.equal(agreement.keepaliveSeconds, keepalive);
    });
  }

  it('takes 4-octet ASNs where both sides have the capability, and eBGP for what it is', () => {
    assert.deepEqual(negotiate(options, open()).context, { fourOctetAs: true, ibgp: false, maxMessageLength: 4096, families: options.families, peerAsn: 65020 });
    assert.deepEqual(negotiate(options, open({ capabilities: [] })).context, { fourOctetAs: false, ibgp: false, maxMessageLength: 4096, families: ['ipv4-unicast'], peerAsn: 65020 });
    assert.equal(negotiate({ ...options, localAsn: 65020 }, open()).context.ibgp, true);
  });

  it('knows whether the peer can send its routes again', () => {
    assert.equal(negotiate(options, open()).routeRefresh, false);
    assert.equal(negotiate(options, open({ capabilities: [{ type: 'routeRefresh' }] })).routeRefresh, true);
  });

  const big = { peerAsn: 4200000017 };
  for (const [what, own, changes] of [
    ['a 4-octet ASN behind AS_TRANS', big, { myAs: 23456, capabilities: [as4(4200000017)] }],
    ['a 2-octet ASN behind AS_TRANS', {}, { myAs: 23456, capabilities: [as4(65020)] }],
    ['our own identifier at an eBGP peer (RFC 6286)', {}, { bgpIdentifier: ip('192.0.2.17') }],
    ['a multicast-like identifier (RFC 6286)', {}, { bgpIdentifier: ip('224.0.0.5') }],
  ] as const) {
    it(`accepts ${what}`, () => assert.doesNotThrow(() => negotiate({ ...options, ...own }, open(changes))));
  }

  for (const [what, own, changes, code, detail] of [
    ['another AS', {}, { myAs: 65011, capabilities: [] }, '2/2', 'expected 65020, it says 65011'],
    ['AS 0 (RFC 7607)', {}, { myAs: 0, capabilities: [] }, '2/2', 'expected 65020, it says 0'],
    ['AS 0 in the capability', {}, { myAs: 23456, capabilities: [as4(0)] }, '2/2', 'expected 65020, it says 0'],
    ['AS_TRANS alone', {}, { myAs: 23456, capabilities: [] }, '2/2', 'expected 65020, it says 23456'],
    ['AS_TRANS as an ASN', {}, { myAs: 23456, capabilities: [as4(23456)] }, '2/2', 'expected 65020, it says 23456'],
    ['another AS in the capability', big, { myAs: 23456, capabilities: [as4(4200000018)] }, '2/2', 'expected 4200000017, it says 4200000018'],
    ['two fields that contradict', {}, { myAs: 65021, capabilities: [as4(65020)] }, '2/2', 'it says 65020 in its capability and 65021 before that'],
    ['our own identifier inside one AS', { localAsn: 65020 }, { bgpIdentifier: ip('192.0.2.17') }, '2/3', '192.0.2.17 is our own identifier'],
    ['no family in common', { families: ['ipv6-unicast'] }, { capabilities: [ipv4] }, '2/7', 'no address family in common: we speak ipv6-unicast'],
    ['a peer that speaks IPv4 only, silently', { families: ['ipv6-unicast'] }, { capabilities: [] }, '2/7', 'no address family in common: we speak ipv6-unicast'],
    ['other families only', {}, { capabilities: [{ type: 'multiprotocol', afi: 25, safi: 70 }] }, '2/7', 'no address family in common: we speak ipv4-unicast and ipv6-unicast'],
  ] as const satisfies readonly (readonly [string, Partial<SessionOptions>, Partial<OpenMessage>, string, string])[]) {
    it(`refuses ${what} with ${code}`, () => {
      assert.throws(() => negotiate({ ...options, ...own }, open(changes)), (error) => {
        assert.ok(error instanceof BgpError);
        assert.equal(`${error.code}/${error.subcode}`, code);
        assert.equal(error.message, detail);
        return true;
      });
    });
  }

  it('names the missing capabilities as they would stand in an OPEN', () => {
    assert.throws(() => negotiate({ ...options, families: ['ipv6-unicast'] }, open({ capabilities: [ipv4] })), (error) => {
      assert.deepEqual((error as BgpError).data, Uint8Array.of(1, 4, 0, 2, 0, 1));
      return true;
    });
  });
});

describe('of two connections the one stays that was dialled by', () => {
  for (const [own, remote, localAsn, peerAsn, ours] of [
    ['192.0.2.17', '192.0.2.1', 65010, 65010, true],
    ['192.0.2.1', '192.0.2.17', 65010, 65010, false],
    ['9.255.255.255', '10.0.0.0', 65010, 65020, false], // as numbers, not as text
    ['200.0.0.1', '100.0.0.1', 65010, 65020, true],
    ['192.0.2.1', '192.0.2.1', 65020, 65010, true],
    ['192.0.2.1', '192.0.2.1', 65010, 65020, false],
  ] as const) {
    it(`${ours ? 'us' : 'the peer'}: ${own} AS ${localAsn} against ${remote} AS ${peerAsn}`, () => {
      assert.equal(dialledStays({ bgpIdentifier: ip(own), localAsn, peerAsn }, ip(remote)), ours);
      assert.equal(dialledStays({ bgpIdentifier: ip(remote), localAsn: peerAsn, peerAsn: localAsn }, ip(own)), !ours, 'both sides agree');
    });
  }
});
