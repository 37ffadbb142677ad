import assert from 'node:assert/strict';
import { errorNames } from '../../../bgp/wire/iana.ts';
import type { NotificationMessage } from '../../../bgp/wire/messages.ts';
import {
  describeError,
  describeNotification,
  encodeNotification,
  encodeShutdownCommunication,
  hardReset,
  shutdownCommunication,
  unwrapHardReset,
} from '../../../bgp/wire/notification.ts';
import { ebgp, octets } from './build.ts';

function notification(code: number, subcode: number, data: Uint8Array = new Uint8Array(0)): NotificationMessage {
  return { type: 'NOTIFICATION', code, subcode, data };
}

describe('names of errors', () => {
  const rows: readonly [code: number, subcode: number, detail: string | undefined, text: string][] = [
    [1, 1, undefined, 'Message Header Error / Connection Not Synchronized (1/1)'],
    [2, 2, 'it says 65011', 'OPEN Message Error / Bad Peer AS (2/2): it says 65011'],
    [2, 0, undefined, 'OPEN Message Error / Unspecific (2/0)'],
    [3, 11, undefined, 'UPDATE Message Error / Malformed AS_PATH (3/11)'],
    [3, 42, undefined, 'UPDATE Message Error / subcode 42 (3/42)'],
    [4, 0, undefined, 'Hold Timer Expired (4/0)'],
    [5, 3, undefined, 'Finite State Machine Error / Receive Unexpected Message in Established State (5/3)'],
    [6, 0, undefined, 'Cease (6/0)'],
    [6, 7, '', 'Cease / Connection Collision Resolution (6/7)'],
    [99, 0, undefined, 'Error code 99 (99/0)'],
    [99, 7, undefined, 'Error code 99 / subcode 7 (99/7)'],
  ];
  for (const [code, subcode, detail, text] of rows) it(text, () => assert.equal(describeError(code, subcode, detail), text));

  it('no two of one code are the same', () => {
    for (const { subcodes } of Object.values(errorNames)) assert.equal(new Set(Object.values(subcodes)).size, Object.keys(subcodes).length);
  });
});

describe('what a NOTIFICATION says', () => {
  const rows: readonly [message: NotificationMessage, text: string][] = [
    [notification(2, 1, octets('0004')), 'OPEN Message Error / Unsupported Version Number (2/1): it supports version 4'],
    [notification(2, 2, octets('fdf2')), 'OPEN Message Error / Bad Peer AS (2/2): AS 65010'],
    [notification(2, 2, octets('fa56ea11')), 'OPEN Message Error / Bad Peer AS (2/2): AS 4200000017'],
    [notification(1, 2, octets('1001')), 'Message Header Error / Bad Message Length (1/2): length 4097'],
    [notification(1, 3, octets('06')), 'Message Header Error / Bad Message Type (1/3): type 6'],
    [notification(3, 3, octets('05')), 'UPDATE Message Error / Missing Well-known Attribute (3/3): attribute 5'],
    [notification(3, 6, octets('40010103')), 'UPDATE Message Error / Invalid ORIGIN Attribute (3/6): data 40010103'],
    [notification(3, 5, new Uint8Array(40)), `UPDATE Message Error / Attribute Length Error (3/5): data ${'00'.repeat(32)}…`],
    [notification(6, 1, octets('00020100000400')), 'Cease / Maximum Number of Prefixes Reached (6/1): AFI 2 SAFI 1, limit 1024'],
    [notification(6, 2), 'Cease / Administrative Shutdown (6/2)'],
    [notification(6, 2, octets('00')), 'Cease / Administrative Shutdown (6/2)'],
    [notification(6, 4, encodeShutdownCommunication('see you at 12:00')), 'Cease / Administrative Reset (6/4): "see you at 12:00"'],
    [notification(6, 2, encodeShutdownCommunication('\u001b[2J\n')), 'Cease / Administrative Shutdown (6/2): "\\x1b[2J\\x0a"'],
    [notification(6, 2, octets('0541')), 'Cease / Administrative Shutdown (6/2): data 0541'],
    [hardReset(notification(6, 1, octets('00010100000400'))),
      'Cease / Hard Reset (6/9): Cease / Maximum Number of Prefixes Reached (6/1): AFI 1 SAFI 1, limit 1024'],
    [notification(6, 9), 'Cease / Hard Reset (6/9)'],
    [hardReset(hardReset(notification(6, 2))), 'Cease / Hard Reset (6/9): data 06090602'],
  ];
  for (const [message, text] of rows) it(text, () => assert.equal(describeNotification(message), text));
});

describe('Shutdown Communication', () => {
  it('is cut between characters at 255 octets', () => {
    const data = encodeShutdownCommunication('ä'.repeat(200));
    assert.equal(data.length, 255);
    assert.equal(shutdownCommunication(notification(6, 2, data)), 'ä'.repeat(127));
  });
  it('is none behind other subcodes', () => assert.equal(shutdownCommunication(notification(6, 3, octets('0141'))), undefined));
  it('of bad UTF-8 has replacement characters', () => assert.equal(shutdownCommunication(notification(6, 2, octets('02ff41'))), '\ufffdA'));
});

describe('Hard Reset', () => {
  it('comes out as it went in', () => {
    const inner = notification(6, 2, encodeShutdownCommunication('drained'));
    assert.deepEqual(unwrapHardReset(hardReset(inner)), inner);
  });
  it('is none for other messages', () => assert.equal(unwrapHardReset(notification(6, 2, octets('0601'))), undefined));
});

describe('NOTIFICATION data', () => {
  it('is cut to what fits into a message', () => assert.equal(encodeNotification(notification(3, 5, new Uint8Array(5000)), ebgp).length, 4096));
});
