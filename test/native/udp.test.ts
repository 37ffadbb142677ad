import assert from 'node:assert/strict';
import { openUdpSocket, type UdpArrival } from '../../native/index.ts';

describe('native UDP sockets', () => {
  for (const [family, loopback, any] of [[4, '127.0.0.1', '0.0.0.0'], [6, '::1', '::']] as const) {
    it(`tell TTL, interface and sender of each datagram, IPv${family}`, async () => {
      const heard: { bytes: Uint8Array; from: UdpArrival }[] = [];
      const port = 20_000 + (process.pid % 20_000) + family;
      const receiver = openUdpSocket({ family, address: any, port, onData: (bytes, from) => heard.push({ bytes, from }), onError: assert.fail });
      const senders = [255, 254].map((ttl, i) => openUdpSocket({ family, address: loopback, port: port + 100 + i, ttl, tos: 0xc0, onData: assert.fail, onError: () => undefined }));
      for (const [i, sender] of senders.entries()) sender.send(Uint8Array.of(1, 2, i), loopback, port);
      senders[0]?.send(new Uint8Array(3000), loopback, port); // dropped, for it was cut
      senders[0]?.send(new Uint8Array(0), loopback, port);
      for (let waited = 0; heard.length < 3 && waited < 5000; waited += 5) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.deepEqual(heard.map(({ bytes, from }) => [...bytes, from.ttl, from.address, from.port - port]), [[1, 2, 0, 255, loopback, 100], [1, 2, 1, 254, loopback, 101], [255, loopback, 100]]);
      assert.ok(heard.every(({ from }) => from.ifindex > 0));
      for (const socket of [receiver, ...senders]) socket.close();
      assert.throws(() => receiver.send(Uint8Array.of(1), loopback, port), { code: 'EBADF' });
    });
  }

  it('say what is wrong with an address, a port in use, a device that is not there', () => {
    const options = { family: 4, address: '127.0.0.1', port: 0, onData: assert.fail, onError: assert.fail } as const;
    assert.throws(() => openUdpSocket({ ...options, address: 'nowhere' }), { code: 'EINVAL' });
    assert.throws(() => openUdpSocket({ ...options, bindToDevice: 'none0' }), { syscall: 'setsockopt SO_BINDTODEVICE' });
    const port = 41_000 + (process.pid % 1000);
    const first = openUdpSocket({ ...options, port });
    assert.throws(() => openUdpSocket({ ...options, port }), { code: 'EADDRINUSE', syscall: 'bind' });
    first.close();
  });
});
