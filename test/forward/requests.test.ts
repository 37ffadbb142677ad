import assert from 'node:assert/strict';
import fc from 'fast-check';
import { newKernelTable, takeTold } from '../../forward/table.ts';
import { decodeTold, encodeNeighbour, encodeProxy, encodeRoute, isLate, outText, type RouteOut } from '../../forward/wire/requests.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';

// A request to add has the shape in which the kernel tells of what was added.
describe('forward: rtnetlink', () => {
  const routes: [string, string, RouteOut][] = [
    ['IPv4 by a gateway', '203.0.113.11/32', { type: 'gateway', gateway: ip('192.0.2.1'), ifindex: 4 }],
    ['IPv4 by an IPv6 gateway', '203.0.113.11/32', { type: 'gateway', gateway: ip('fe80::1'), ifindex: 4 }],
    ['IPv6 by a gateway', '2001:db8::11/128', { type: 'gateway', gateway: ip('2001:db8:1::1'), ifindex: 300 }],
    ['on the link', '203.0.113.11/32', { type: 'link', ifindex: 7 }],
    ['blackhole', '2001:db8::11/128', { type: 'blackhole' }],
  ];
  for (const [name, prefix, out] of routes) {
    it(name, () => {
      const told = decodeTold(encodeRoute(3, prefix as never, out));
      assert.deepEqual(told.map((message) => message.told), [{ type: 'route', present: true, route: { prefix, table: 254, protocol: 179, metric: 10, out } }]);
      const table = newKernelTable();
      takeTold(table, told[0]?.told as never);
      assert.deepEqual([...table.own], [[`route ${prefix}`, outText(out)]]);
    });
  }

  it('the source of what the node sends itself: the attribute RTA_PREFSRC, of the same family alone', () => {
    const out = { type: 'gateway', gateway: ip('fe80::1'), ifindex: 4 } as const;
    const attribute = Buffer.from([8, 0, 7, 0, 192, 0, 2, 2]);
    assert.ok(Buffer.from(encodeRoute(3, '203.0.113.11/32' as never, out, { source: ip('192.0.2.2') })).includes(attribute));
    assert.deepEqual(encodeRoute(3, '2001:db8::11/128' as never, out, { source: ip('192.0.2.2') }), encodeRoute(3, '2001:db8::11/128' as never, out));
  });

  it('a route for late packets is ours by another protocol number, in the main table alone', () => {
    const out = { type: 'gateway', gateway: ip('fe80::1'), ifindex: 4 } as const;
    const table = newKernelTable();
    for (const number of [254, 179]) {
      for (const { told } of decodeTold(encodeRoute(3, '203.0.113.11/32' as never, out, { protocol: 180, table: number }))) takeTold(table, told);
    }
    assert.deepEqual([...table.own], [['route 203.0.113.11/32', outText(out, true)]]);
    assert.ok(isLate(outText(out, true)) && !isLate(outText(out)));
    assert.deepEqual([...table.foreign], [['inner 203.0.113.11/32', 180]]);
    for (const { told } of decodeTold(encodeRoute(4, '203.0.113.11/32' as never, out))) takeTold(table, told);
    assert.deepEqual([...table.own], [['route 203.0.113.11/32', outText(out)]]);
  });

  it('neighbours and proxy entries', () => {
    const mac = '52:54:00:aa:00:01' as Mac;
    const table = newKernelTable();
    for (const bytes of [encodeNeighbour(1, { ifindex: 7, address: ip('2001:db8::11'), mac }), encodeProxy(2, ip('203.0.113.12'), 7, true)]) {
      for (const { told } of decodeTold(bytes)) takeTold(table, told);
    }
    assert.deepEqual([...table.own], [['neighbour 7 2001:db8::11', mac], ['proxy 7 203.0.113.12', '']]);
    for (const { told } of decodeTold(encodeProxy(3, ip('203.0.113.12'), 7, false))) takeTold(table, { ...told, fixed: true, protocol: 179 } as never);
    assert.deepEqual([...table.own.keys()], ['neighbour 7 2001:db8::11']);
  });

  it("somebody else's routes and entries are told apart; what the kernel found out by itself is nobody's", () => {
    const table = newKernelTable();
    const route = { prefix: '203.0.113.11/32' as never, table: 254, protocol: 186, metric: 20 };
    takeTold(table, { type: 'route', present: true, route });
    takeTold(table, { type: 'route', present: true, route: { ...route, table: 255 } });
    takeTold(table, { type: 'route', present: true, route: { ...route, prefix: '203.0.113.0/24' as never } });
    takeTold(table, { type: 'neighbour', present: true, ifindex: 7, address: ip('203.0.113.12'), fixed: true, proxy: false, protocol: 0 });
    takeTold(table, { type: 'neighbour', present: true, ifindex: 7, address: ip('203.0.113.13'), fixed: false, proxy: false, protocol: 0 });
    assert.deepEqual([...table.foreign], [['route 203.0.113.11/32', 186], ['neighbour 7 203.0.113.12', 0]]);
    assert.equal(table.own.size, 0);
  });

  it('nothing but MalformedNetlink comes out of any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(16, 24, 25, 28, 29, 2, 3), (bytes, type) => {
      if (bytes.length >= 6) bytes.set([bytes.length & 255, 0, 0, 0, type, 0]);
      try {
        decodeTold(bytes);
      } catch (error) {
        assert.equal((error as Error).name, 'MalformedNetlink');
      }
    }));
  });
});
