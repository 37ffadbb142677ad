import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { RecordReader, RecordWriter, recordEveryMs } from './records.ts';

/**
 * What runs inside the VM: a TCP server that sends numbered records all the time and checks those that it gets (port 7001), and a
 * UDP echo (port 7). Ends when its standard input does.
 */
createServer((socket) => {
  socket.setNoDelay(true);
  const writer = new RecordWriter();
  const reader = new RecordReader();
  const timer = setInterval(() => socket.write(writer.next()), recordEveryMs);
  socket.on('data', (bytes) => {
    const problem = reader.push(bytes, performance.now());
    if (problem !== undefined) socket.destroy(new Error(problem));
  });
  socket.on('error', () => undefined);
  socket.on('close', () => clearInterval(timer));
}).listen(7001, '::', () => process.stdout.write('{"event":"ready"}\n'));

for (const type of ['udp4', 'udp6'] as const) {
  const echo = createSocket({ type, ipv6Only: type === 'udp6' });
  echo.on('message', (bytes, from) => echo.send(bytes, from.port, from.address, () => undefined));
  echo.on('error', (error) => {
    process.stderr.write(`${type}: ${error.message}\n`);
    process.exit(1);
  });
  echo.bind(7);
}

createInterface({ input: process.stdin }).on('close', () => process.exit(0));
