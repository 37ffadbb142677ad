import assert from 'node:assert/strict';
import { BgpError } from '../../bgp/errors.ts';
import { checkRole, hasLeaked } from '../../bgp/role.ts';
import type { BgpRole } from '../../bgp/wire/messages.ts';
import { Bench, bytesOf, keepalive, local, open } from './session-bench.ts';
import type { UpdateMessage } from '../../bgp/wire/messages.ts';
import { routesOf } from '../../bgp/pack-updates.ts';
import { ip, parsePrefix, type Prefix } from '../../net/ip.ts';
import { stepSession } from '../../bgp/session.ts';

const roles: readonly BgpRole[] = ['provider', 'rs', 'rs-client', 'customer', 'peer'];

describe('BGP roles (RFC 9234)', () => {
  it('go together as section 4.2 says, and in no other way', () => {
    const pairs = roles.flatMap((ours) => roles.filter((theirs) => {
      try {
        checkRole(ours, [{ type: 'role', role: theirs }]);
        return true;
      } catch (error) {
        assert.ok(error instanceof BgpError && error.code === 2 && error.subcode === 11);
        return false;
      }
    }).map((theirs) => `${ours} ${theirs}`));
    assert.deepEqual(pairs, ['provider customer', 'rs rs-client', 'rs-client rs', 'customer provider', 'peer peer']);
  });

  it('are not asked for, and say nothing to a speaker without one', () => {
    checkRole('customer', []);
    checkRole(undefined, [{ type: 'role', role: 'customer' }]);
  });

  it('must not be two, nor one that nobody knows', () => {
    assert.throws(() => checkRole('customer', [{ type: 'role', role: 'provider' }, { type: 'role', role: 'peer' }]), BgpError);
    assert.throws(() => checkRole('customer', [{ type: 'unknown', code: 9, value: Uint8Array.of(77) }]), BgpError);
    checkRole('customer', [{ type: 'role', role: 'provider' }, { type: 'role', role: 'provider' }]);
  });

  it('tell a leaked route', () => {
    assert.deepEqual(roles.filter((role) => hasLeaked(65020, role, 65020)), ['provider', 'rs']);
    assert.deepEqual(roles.filter((role) => hasLeaked(65099, role, 65020)), ['provider', 'rs', 'peer']);
    assert.deepEqual(roles.filter((role) => hasLeaked(undefined, role, 65020)), []);
  });

  it('are refused in the OPEN, and a leaked route is as good as withdrawn', () => {
    const bench = new Bench({ peerAsn: 65020, role: 'provider' });
    const theirs = open({ myAs: 65020, capabilities: [{ type: 'multiprotocol', afi: 1, safi: 1 }, { type: 'fourOctetAs', asn: 65020 }, { type: 'role', role: 'peer' }] });
    bench.give({ type: 'start' });
    bench.give({ type: 'connected', connection: 1, localAddress: local });
    assert.deepEqual(bench.peer(1, theirs), ['OpenSent→Idle', '1 NOTIFICATION 2/11', 'close 1']);
    assert.match(bench.state.lastError?.text ?? '', /Role Mismatch \(2\/11\): we are provider, it says peer/);

    const well = new Bench({ peerAsn: 65020, role: 'provider' });
    well.establish(open({ ...theirs, capabilities: [...theirs.capabilities.slice(0, 2), { type: 'role', role: 'customer' }] }));
    const leaked: UpdateMessage = {
      type: 'UPDATE', withdrawn: [], nlri: [parsePrefix('203.0.113.11/32') as Prefix],
      attributes: { origin: 'IGP', asPath: [{ type: 'AS_SEQUENCE', asns: [65020] }], nextHop: ip('192.0.2.1'), onlyToCustomer: 65020 },
    };
    const { outputs } = stepSession(well.state, { type: 'data', connection: 1, bytes: bytesOf(leaked, keepalive) }, { monotonicMs: well.nowMs, wallMs: 0, wallTrusted: true }, () => 0, () => 9);
    const update = outputs.find((output) => output.type === 'update');
    assert.deepEqual(update?.type === 'update' ? routesOf(update.update) : undefined, [{ type: 'withdraw', prefix: '203.0.113.11/32' }]);
    assert.ok(outputs.some((output) => output.type === 'note' && output.note.event === 'session.problem' && output.note.text.includes('route leak')));
  });
});
