// Runs inside a namespace: answers whoever talks to it, and talks to others as lines on standard input say. Ends when its input does.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Target {
  readonly host: string;
  /** Of this namespace, where the choice is not the kernel's. */
  readonly from?: string;
}

export type TalkOrder =
  /** A new connection to each, with an octet there and back. Answered with those that failed, and how many took longer than a SYN's first repeat. */
  | { readonly order: 'reach'; readonly targets: readonly Target[]; readonly withinMs: number }
  /** Connections that stay, with an octet there and back every so often. Answered when all stand. */
  | { readonly order: 'open'; readonly targets: readonly Target[]; readonly everyMs: number }
  /** Answered with the connections that no octet came back on. */
  | { readonly order: 'dead'; readonly withinMs: number }
  /** Numbered datagrams from now on, which the other side sends back. */
  | { readonly order: 'flow'; readonly targets: readonly Target[]; readonly everyMs: number }
  /** Ends them. */
  | { readonly order: 'flowed' };

export interface Reached { readonly failed: readonly string[]; readonly slow: number }
export interface Flowed { readonly host: string; readonly sent: number; readonly answered: number; readonly duplicates: number }

const ports = { tcp: 7007, udp: 7008 };
const slowMs = 900;

interface Stream { readonly name: string; readonly socket: Socket; echoed: number; ended?: string }
const streams: Stream[] = [];

function open({ host, from }: Target): Stream {
  const socket = connect({ host, port: ports.tcp, ...(from === undefined ? {} : { localAddress: from }) });
  socket.setNoDelay(true);
  const stream: Stream = { name: from === undefined ? host : `${from} → ${host}`, socket, echoed: 0 };
  socket.on('data', () => (stream.echoed += 1));
  socket.on('error', (error) => (stream.ended = error.message));
  socket.on('close', () => (stream.ended ??= 'closed'));
  socket.on('connect', () => socket.write('x'));
  return stream;
}

/** Until an octet has come back on each since `before`, or it has ended, or the time is over. @returns the names of those without */
async function waitForEchoes(all: readonly Stream[], before: readonly number[], withinMs: number): Promise<string[]> {
  const deadline = performance.now() + withinMs;
  const missing = (): Stream[] => all.filter((stream, i) => stream.echoed <= (before[i] ?? 0));
  while (missing().some(({ ended }) => ended === undefined) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  return missing().map(({ name, ended }) => `${name} (${ended ?? 'silent'})`);
}

async function reach(targets: readonly Target[], withinMs: number): Promise<Reached> {
  let slow = 0;
  const failed = await Promise.all(targets.map(async (target) => {
    const start = performance.now();
    const stream = open(target);
    const missing = await waitForEchoes([stream], [0], withinMs);
    if (performance.now() - start > slowMs) slow += 1;
    stream.socket.destroy();
    return missing;
  }));
  return { failed: failed.flat(), slow };
}

interface Flow { readonly host: string; readonly socket: UdpSocket; readonly timer: NodeJS.Timeout; sent: number; readonly answers: Map<number, number> }
const flows: Flow[] = [];

function flow({ host }: Target, everyMs: number): void {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const answers = new Map<number, number>();
  socket.on('error', () => undefined);
  socket.on('message', (bytes) => answers.set(bytes.readUInt32BE(0), (answers.get(bytes.readUInt32BE(0)) ?? 0) + 1));
  const one: Flow = { host, socket, answers, sent: 0, timer: setInterval(() => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32BE((one.sent += 1), 0);
    socket.send(bytes, ports.udp, host, () => undefined);
  }, everyMs) };
  flows.push(one);
}

async function flowed(): Promise<Flowed[]> {
  for (const { timer } of flows) clearInterval(timer);
  await new Promise((resolve) => setTimeout(resolve, 200)); // what is on its way
  return flows.splice(0).map(({ host, sent, answers, socket }) => {
    socket.close();
    return { host, sent, answered: answers.size, duplicates: [...answers.values()].reduce((sum, count) => sum + count - 1, 0) };
  });
}

async function obey(order: TalkOrder): Promise<unknown> {
  switch (order.order) {
    case 'reach':
      return reach(order.targets, order.withinMs);
    case 'open': {
      for (const { socket } of streams.splice(0)) socket.destroy(); // those of a try that broke off
      const opened = order.targets.map(open);
      for (const stream of opened) {
        const timer = setInterval(() => { if (stream.ended === undefined) stream.socket.write('x'); }, order.everyMs);
        stream.socket.once('close', () => clearInterval(timer));
      }
      streams.push(...opened);
      return waitForEchoes(opened, [], 5000);
    }
    case 'dead':
      return waitForEchoes(streams, streams.map(({ echoed }) => echoed), order.withinMs);
    case 'flow':
      for (const target of order.targets) flow(target, order.everyMs);
      return null;
    case 'flowed':
      return flowed();
  }
}

function serve(ready: () => void): void {
  let waiting = 3;
  const up = (): void => { if (--waiting === 0) ready(); };
  createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  }).listen(ports.tcp, '::', up);
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address, () => undefined));
    socket.bind(ports.udp, up);
  }
}

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, ...order } = JSON.parse(line) as TalkOrder & { id: number };
    void obey(order).then((value) => say({ id, value }));
  })
  .on('close', () => process.exit(0));
serve(() => say({ id: 0, value: 'ready' }));
