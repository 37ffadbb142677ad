import assert from 'node:assert/strict';
import { bfdTransitions } from '../../bfd/fsm.ts';
import { bfdStates } from '../../bfd/wire/control-packet.ts';

// RFC 5880: section 6.2 (the diagram), 6.8.4 (expiry), 6.8.6 (what is received), 6.8.16 (disabled); in the order AdminDown, Down, Init, Up.
const expected = {
  ReceivedAdminDown: ['AdminDown', 'Down', 'Down 3', 'Down 3'],
  ReceivedDown: ['AdminDown', 'Init 0', 'Init', 'Down 3'],
  ReceivedInit: ['AdminDown', 'Up 0', 'Up 0', 'Up'],
  ReceivedUp: ['AdminDown', 'Down', 'Up 0', 'Up'],
  DetectionTime_Expires: ['AdminDown', 'Down', 'Down 1', 'Down 1'],
  Disable: ['AdminDown', 'AdminDown 7', 'AdminDown 7', 'AdminDown 7'],
  Enable: ['Down 0', 'Down', 'Init', 'Up'],
} as const;

describe('the state machine of BFD', () => {
  it('has every event', () => assert.deepEqual(Object.keys(bfdTransitions), Object.keys(expected)));
  for (const [event, row] of Object.entries(expected)) {
    for (const [i, state] of bfdStates.entries()) {
      it(`${event} in ${state}: ${row[i]}`, () => {
        const { next, diagnostic } = bfdTransitions[event as keyof typeof expected][state];
        assert.equal(diagnostic === undefined ? next : `${next} ${diagnostic}`, row[i]);
      });
    }
  }
});
