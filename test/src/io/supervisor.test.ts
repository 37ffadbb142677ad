import assert from 'node:assert/strict';
import { notifySupervisor } from '../../../src/io/supervisor.ts';

describe('a word to the supervisor', () => {
  let before: string | undefined;
  beforeEach(() => { before = process.env['NOTIFY_SOCKET']; });
  afterEach(() => {
    if (before === undefined) delete process.env['NOTIFY_SOCKET'];
    else process.env['NOTIFY_SOCKET'] = before;
  });

  it('tells nobody from one that cannot be reached, and never throws', () => {
    delete process.env['NOTIFY_SOCKET'];
    assert.equal(notifySupervisor('READY=1'), 'nobody');
    process.env['NOTIFY_SOCKET'] = '/nowhere/notify';
    const gone = notifySupervisor('READY=1');
    assert.ok(typeof gone === 'object' && gone.error.includes('ENOENT'), JSON.stringify(gone));
  });
});
