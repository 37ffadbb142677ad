import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { openStation, waitingAtMost, type Station } from '../../../feeds/io/station.ts';
import { waitFor } from '../../../src/demo/processes.ts';

/** A server that counts what it is sent. */
class Listener {
  readonly server: Server;
  readonly texts: string[] = [];
  readonly sockets: Socket[] = [];

  constructor(reads = true) {
    this.server = createServer((socket) => {
      const at = this.texts.push('') - 1;
      this.sockets.push(socket);
      socket.on('error', () => undefined);
      if (reads) socket.on('data', (bytes) => { this.texts[at] += bytes.toString('latin1'); });
      else socket.pause();
    });
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe('a connection to a BMP station', function () {
  this.timeout(20_000);
  const stations: Station[] = [];
  const listeners: Listener[] = [];
  afterEach(async () => {
    await Promise.all(stations.splice(0).map((station) => station.close(bytes(''))));
    await Promise.all(listeners.splice(0).map((listener) => listener.close()));
  });

  function start(port: number, tables: () => Iterator<Uint8Array> = () => [][Symbol.iterator]()): { station: Station; states: (string | undefined)[] } {
    const states: (string | undefined)[] = [];
    const station = openStation({ address: '127.0.0.1', port, greeting: () => [bytes('hello.')], tables, onState: (problem) => states.push(problem) });
    stations.push(station);
    return { station, states };
  }

  function listener(reads = true): Listener {
    const made = new Listener(reads);
    listeners.push(made);
    return made;
  }

  it('says first who we are, then what stands, then what happens; and last words at the end', async () => {
    const there = listener();
    const { station, states } = start(await there.listen(), () => ['a.', 'b.'].map(bytes)[Symbol.iterator]());
    await waitFor('the tables', 5000, () => there.texts[0] === 'hello.a.b.');
    station.send(bytes('now.'));
    await station.close(bytes('bye.'));
    await waitFor('the end', 5000, () => there.texts[0] === 'hello.a.b.now.bye.');
    assert.deepEqual(states, [undefined]);
  });

  it('is tried again while nobody listens, told of once, and then told everything', async () => {
    const there = listener();
    const port = await there.listen();
    await there.close();
    listeners.splice(0);
    const { station, states } = start(port);
    await waitFor('the first failure', 5000, () => states.length === 1);
    station.send(bytes('lost.'));
    const again = listener();
    await again.listen(port);
    await waitFor('the greeting', 10_000, () => again.texts[0] === 'hello.');
    assert.deepEqual(states, ['ECONNREFUSED', undefined]);
    again.sockets[0]?.destroy();
    await waitFor('another greeting', 10_000, () => again.texts[1] === 'hello.');
    assert.equal(states.length, 4);
  });

  it('one that does not read loses the connection at its bound, and what is sent costs no time', async () => {
    const there = listener(false);
    const { station, states } = start(await there.listen());
    await waitFor('the connection', 5000, () => states.length === 1);
    const message = new Uint8Array(4096);
    let longestMs = 0;
    for (let sent = 0; sent < 4 * waitingAtMost; sent += message.length) {
      const before = performance.now();
      station.send(message);
      longestMs = Math.max(longestMs, performance.now() - before);
    }
    await waitFor('the break', 5000, () => states.length >= 2);
    assert.match(states[1] ?? '', /reads too slowly: 8 MiB wait/);
    assert.ok(longestMs < 200, `${longestMs} ms`);
  });

  it('tables are made no faster than they are read', async () => {
    const there = listener(false);
    let made = 0;
    function* endless(): Generator<Uint8Array> {
      for (;;) {
        made += 1;
        yield new Uint8Array(4096);
      }
    }
    start(await there.listen(), endless);
    await waitFor('the first of them', 5000, () => made > 100);
    let before = -1;
    await waitFor('a standstill', 10_000, () => { const still = made === before; before = made; return still; }, 300);
    assert.ok(made * 4096 < 2 * waitingAtMost, `${made}`);
    const standing = made;
    there.sockets[0]?.on('data', () => undefined).resume();
    await waitFor('more', 5000, () => made > standing + 100);
  });
});
