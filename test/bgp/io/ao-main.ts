// For tcp-ao.test.ts: a listener and a connection to it under the socket options of `ao-kernel.c`. Prints a line of JSON for what it sees; what the
// kernel is asked goes to stderr. argv: the address, the scenario.
import { once } from 'node:events';
import net from 'node:net';
import { dial, listen, type Connection, type Listener } from '../../../bgp/io/tcp.ts';
import type { AoKey } from '../../../bgp/io/tcp-ao.ts';
import { ip, type IpAddress } from '../../../net/ip.ts';

const [addressText = '127.0.0.1', scenario = 'rotate'] = process.argv.slice(2);
const address = ip(addressText);
const key = (id: number, text: string, receiveId = id): AoKey => ({ sendId: id, receiveId, algorithm: 'hmac-sha1', key: new TextEncoder().encode(text) });
const [one, two, three] = [key(1, 'first'), key(2, 'second'), key(3, 'third')] as const;
const log = (what: string): void => void process.stderr.write(`-- ${what}\n`);

const accepted: Connection[] = [];
const waiting: (() => void)[] = [];
const heard: string[] = [];
const settle = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
const wake = (): void => { for (const resume of waiting.splice(0)) resume(); };

function serve(peers: readonly { readonly address: IpAddress; readonly prefixLength?: number; readonly ao?: readonly AoKey[] }[]): Listener {
  return listen({ address, port: 0, peers: peers.map((peer) => ({ ibgp: true, ttlSecurity: false, ...peer })) }, (caller) => {
    accepted.push(caller.take({ data: (bytes) => { heard.push(Buffer.from(bytes).toString()); wake(); }, closed: () => undefined }));
    wake();
  }, (error) => log(`listener: ${error.message}`));
}

function call(port: number, ao: readonly AoKey[]): Promise<{ connection: Connection; said: string }> {
  return new Promise((resolve) => {
    const connection = dial({ address, port, ibgp: true, ttlSecurity: false, ao }, {
      connected: () => resolve({ connection, said: 'connected' }), data: () => undefined, closed: (error) => resolve({ connection, said: error ?? 'closed' }),
    });
  });
}

const attempt = (what: () => void): string => {
  try {
    what();
    return 'done';
  } catch (error) {
    return (error as Error).message;
  }
};

const said: string[] = [];
const listener = serve(scenario === 'range' ? [{ address: ip(address.includes(':') ? '::' : '127.0.0.0'), prefixLength: address.includes(':') ? 64 : 8, ao: [one, two] }] : [{ address, ao: [one] }]);
log('listening');
if (scenario === 'unsigned') {
  // Nobody has signed for this connection: as if it had come in before the key was there.
  const plain = serve([{ address }]);
  said.push(String(plain.setPeers([{ address, ao: [one], ibgp: true, ttlSecurity: false }])));
  const socket = net.connect(listener.port, address).on('error', () => undefined);
  await once(socket, 'close');
  said.push(`accepted ${accepted.length}`);
  plain.close();
} else {
  const { connection, said: first } = await call(listener.port, scenario === 'range' ? [two, one] : [one]);
  said.push(first);
  if (accepted.length === 0) await settle();
  log('connected');
  const peer = accepted[0] as Connection;
  for (const [what, keys] of [['new beside old', [one, two]], ['new first', [two, one]], ['old gone', [two]], ['same ID', [key(2, 'other')]], ['one ID', [key(3, 'x', 2), two]], ['third', [three, two]]] as const) {
    log(what);
    said.push(`${what}: ${attempt(() => connection.rekeyAo(keys))}`);
  }
  connection.write(new TextEncoder().encode('update'));
  if (heard.length === 0) await settle();
  said.push(`heard ${heard.join('')}`);
  peer.destroy();
  connection.destroy();
}
listener.close();
process.stdout.write(`${JSON.stringify(said)}\n`);
