import assert from 'node:assert/strict';
import { familyRestart, type FamilyRestart } from '../../bgp/restarts.ts';
import type { Capability } from '../../bgp/wire/messages.ts';

type Named = readonly [safi: number, forwardingState: boolean];
const graceful = (restartTimeSeconds: number, ...families: Named[]): Capability => ({
  type: 'gracefulRestart', restartState: false, notification: false, restartTimeSeconds, families: families.map(([safi, forwardingState]) => ({ afi: 1, safi, forwardingState })),
});
const longLived = (...families: [...Named, number][]): Capability => ({
  type: 'longLivedGracefulRestart', families: families.map(([safi, forwardingState, staleTimeSeconds]) => ({ afi: 1, safi, forwardingState, staleTimeSeconds })),
});
const nothing: FamilyRestart = { restartSeconds: 0, longLivedSeconds: 0, preserved: false, longLivedPreserved: false };

describe('what an OPEN says of restarts (RFC 4724, RFC 9494)', () => {
  const table: [what: string, section: string, capabilities: readonly Capability[], says: Partial<FamilyRestart>][] = [
    ['nothing', '', [{ type: 'routeRefresh' }], {}],
    ['capability 71 without 64 counts as none', '9494 4.5', [longLived([1, true, 300])], {}],
    ['both', '9494 4.2', [graceful(120, [1, true]), longLived([1, true, 300])], { restartSeconds: 120, longLivedSeconds: 300, preserved: true, longLivedPreserved: true }],
    ['in either order', '5492 4', [longLived([1, true, 300]), graceful(120, [1, true])], { restartSeconds: 120, longLivedSeconds: 300, preserved: true, longLivedPreserved: true }],
    ['64 alone', '4724 4.2', [graceful(120, [1, true])], { restartSeconds: 120, preserved: true }],
    ['64 without families: no Restart Time', '9494 4.2', [graceful(120), longLived([1, true, 300])], { longLivedSeconds: 300, longLivedPreserved: true }],
    ['Restart Time 0', '9494 4.2', [graceful(0, [1, true]), longLived([1, true, 300])], { longLivedSeconds: 300, preserved: true, longLivedPreserved: true }],
    ['71 without families: no Long-lived Stale Time', '9494 4.2', [graceful(120, [1, true]), longLived()], { restartSeconds: 120, preserved: true }],
    ['other families say nothing of this one', '9494 4.2', [graceful(120, [128, true]), longLived([2, true, 300])], {}],
    ['a clear F bit in 71', '9494 4.2', [graceful(120, [1, true]), longLived([1, false, 300])], { restartSeconds: 120, longLivedSeconds: 300, preserved: true }],
    ['a clear F bit in 64 counts for both', '9494 5', [graceful(120, [1, false]), longLived([1, true, 300])], { restartSeconds: 120, longLivedSeconds: 300 }],
    ['of several 64 the last counts', '4724 3', [graceful(9, [1, false]), graceful(120, [1, true])], { restartSeconds: 120, preserved: true }],
    ['the longest times there are', '9494 3.1', [graceful(4095, [1, true]), longLived([1, true, 0xffffff])], { restartSeconds: 4095, longLivedSeconds: 16_777_215, preserved: true, longLivedPreserved: true }],
  ];
  for (const [what, section, capabilities, says] of table) {
    it(`${what}${section === '' ? '' : ` (${section})`}`, () => assert.deepEqual(familyRestart(capabilities, 'ipv4-unicast'), { ...nothing, ...says }));
  }

  it('is told family by family', () => assert.deepEqual(familyRestart([graceful(120, [1, true]), longLived([1, true, 300])], 'ipv6-unicast'), nothing));
});
