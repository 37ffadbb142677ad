import assert from 'node:assert/strict';
import type { Prefix } from '../../net/ip.ts';
import { beginRefresh, confirmRoute, endRefresh, type Refreshes } from '../../src/refresh.ts';

const a = '203.0.113.1/32' as Prefix;
const b = '203.0.113.2/32' as Prefix;
const c = '2001:db8::1/128' as Prefix;

describe('a refresh with markers (RFC 7313)', () => {
  it('leaves out what was not sent again, of its family alone', () => {
    const refreshes: Refreshes = new Map();
    beginRefresh(refreshes, 'ipv4-unicast', [a, b, c]);
    confirmRoute(refreshes, a);
    confirmRoute(refreshes, c);
    assert.deepEqual(endRefresh(refreshes, 'ipv4-unicast'), [b]);
    assert.deepEqual(endRefresh(refreshes, 'ipv4-unicast'), [], 'it is over');
    assert.deepEqual(endRefresh(refreshes, 'ipv6-unicast'), [], 'none had begun');
  });

  it('begins anew when it begins twice', () => {
    const refreshes: Refreshes = new Map();
    beginRefresh(refreshes, 'ipv4-unicast', [a, b]);
    confirmRoute(refreshes, a);
    beginRefresh(refreshes, 'ipv4-unicast', [a, b]);
    confirmRoute(refreshes, b);
    assert.deepEqual(endRefresh(refreshes, 'ipv4-unicast'), [a]);
  });
});
