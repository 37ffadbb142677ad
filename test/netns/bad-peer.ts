import { createServer, type Socket } from 'node:net';
import { message, update } from '../bgp/wire/build.ts';

// bad-peer ADDRESS ASN BEHAVIOUR: a router that waits for landfall on port 179 of an address and behaves badly once it is connected to. Tells
// as JSON lines what it was sent.
//   silent  takes the connection and says nothing          closed  takes the session and then reads nothing
//   drip    says its OPEN one octet a second                reset   resets every connection after its OPEN
//   table   sends 100,000 prefixes and then churns for as long as it lives

const [address, asnText, behaviour] = process.argv.slice(2) as [string, string, string];
const asn = Number(asnText);
const word = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
const capabilities = `0104000100010104000200014104${word(asn, 8)}`;
const parameter = `02${word(capabilities.length / 2, 2)}${capabilities}`;
const identifier = address.split('.').map((octet) => word(Number(octet), 2)).join('');
const open = message(1, `04${word(asn, 4)}0009${identifier}${word(parameter.length / 2, 2)}${parameter}`);
const keepalive = message(4, '');
const attributes = (localPref: number): string => `40010100400200400304${identifier}400504${word(localPref, 8)}`;

/** Prefix number `i`: the first are those of VMs (203.0.113.0/24 and 198.18.0.0/16), all else is foreign. */
function prefix(i: number): string {
  if (i < 256) return `20cb0071${word(i, 2)}`;
  if (i < 60_000) return `20c612${word(i & 0xffff, 4)}`;
  return `200a${word(i, 6)}`;
}

function said(text: object): void {
  process.stdout.write(`${JSON.stringify(text)}\n`);
}

async function table(socket: Socket): Promise<void> {
  const drained = (): Promise<void> => new Promise((resolve) => { socket.once('drain', resolve); socket.once('close', () => resolve()); });
  for (let round = 0; !socket.destroyed; round++) {
    for (let from = 0; from < 100_000 && !socket.destroyed; from += 500) {
      const nlri = Array.from({ length: 500 }, (_, i) => prefix(from + i)).join('');
      const bytes = round % 3 === 2 ? update(nlri, '', '') : update('', attributes(100 + round), nlri);
      if (!socket.write(bytes)) await drained();
      if (from % 10_000 === 0) socket.write(keepalive);
    }
    said({ event: 'round', round });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const server = createServer((socket) => {
  said({ event: 'connected' });
  let pending = Buffer.alloc(0);
  let started = false;
  socket.on('error', () => undefined);
  socket.on('close', () => said({ event: 'gone' }));
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 19 && pending.length >= pending.readUInt16BE(16)) {
      const length = pending.readUInt16BE(16);
      const [type, body] = [pending[18], pending.subarray(19, length)];
      said({ event: 'heard', type, ...(type === 3 ? { code: body[0], subcode: body[1] } : {}), ...(type === 2 ? { octets: length } : {}), at: performance.now() });
      pending = pending.subarray(length);
      if (type === 4 && !started) {
        started = true;
        if (behaviour === 'table') void table(socket);
        if (behaviour === 'closed') socket.pause();
      }
    }
  });
  if (behaviour === 'silent') return;
  if (behaviour === 'drip') {
    let at = 0;
    const timer = setInterval(() => {
      if (socket.destroyed || at >= open.length) return clearInterval(timer);
      socket.write(open.subarray(at, ++at));
    }, 1000);
    return;
  }
  socket.write(open);
  if (behaviour === 'reset') return void setTimeout(() => socket.resetAndDestroy(), 20);
  socket.write(keepalive);
  const beat = setInterval(() => (socket.destroyed ? clearInterval(beat) : void socket.write(keepalive)), 2000);
});
server.listen(179, address, () => said({ event: 'listening' }));
