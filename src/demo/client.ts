import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { ip } from '../../net/ip.ts';
import { startProbe } from '../probe/probe.ts';
import { wallMs } from './processes.ts';
import { RecordReader, RecordWriter, recordEveryMs } from './records.ts';
import type { ProbeSample } from './gaps.ts';

/**
 * Runs in namespace `client`, behind the router: one TCP connection to the VM for each address, which carries numbered records both
 * ways, and a probe that sends a numbered UDP packet a millisecond and notes which came back. Commands and answers are JSON lines.
 */
export type ClientCommand =
  | { readonly type: 'connect'; readonly name: string; readonly address: string }
  /** `icmp` needs the optional package raw-socket; without it the answer is `unavailable`. */
  | { readonly type: 'probe'; readonly name: string; readonly by: 'udp' | 'icmp'; readonly address: string; readonly everyMs: number }
  /** Asks for the probes sent in [from, to], wall clock, and forgets older ones. */
  | { readonly type: 'samples'; readonly id: number; readonly from: number; readonly to: number }
  | { readonly type: 'streams'; readonly id: number };

export interface StreamReport {
  readonly name: string;
  readonly alive: boolean;
  readonly error?: string;
  readonly records: number;
  /** Longest time without a record from the VM, ms, since the last report. */
  readonly longestStallMs: number;
  /** Time since the last record from the VM, ms. */
  readonly silentMs: number;
}

export type ClientEvent =
  | { readonly event: 'ready' }
  | { readonly event: 'connected'; readonly name: string }
  | { readonly event: 'unavailable'; readonly name: string; readonly text: string }
  | { readonly event: 'samples'; readonly id: number; readonly probes: Record<string, ProbeSample[]> }
  | { readonly event: 'streams'; readonly id: number; readonly streams: StreamReport[] };

const streams = new Map<string, () => StreamReport>();
const probes = new Map<string, ProbeSample[]>();
/** Samples kept per probe: more than a minute at 1 kHz. */
const sampleLimit = 120_000;

function openStream(name: string, address: string): void {
  const socket = connect(7001, address);
  const reader = new RecordReader();
  const writer = new RecordWriter();
  let problem: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  socket.setNoDelay(true);
  socket.on('connect', () => {
    tell({ event: 'connected', name });
    timer = setInterval(() => socket.write(writer.next()), recordEveryMs);
  });
  socket.on('data', (bytes) => {
    const wrong = reader.push(bytes, performance.now());
    if (wrong !== undefined) socket.destroy(new Error(wrong));
  });
  socket.on('error', (error) => {
    problem ??= error.message;
  });
  socket.on('close', () => {
    problem ??= 'closed by the VM';
    clearInterval(timer);
  });
  streams.set(name, () => {
    const silentMs = reader.silentMs(performance.now());
    const longestStallMs = Math.max(reader.longestStallMs, silentMs);
    reader.longestStallMs = 0;
    return { name, alive: problem === undefined && reader.received > 0, records: reader.received, longestStallMs, silentMs, ...(problem === undefined ? {} : { error: problem }) };
  });
}

/**
 * Sockets of one UDP probe, used in turn: the kernel's limit for a socket's buffer holds some 270 small packets, and a VM that catches up
 * answers more than that at once: up to some seconds' worth where it had no processor.
 */
const probeSockets = 32;

function openUdpProbe(name: string, address: string, everyMs: number): void {
  const sockets = Array.from({ length: probeSockets }, () => createSocket(address.includes(':') ? 'udp6' : 'udp4'));
  const samples: ProbeSample[] = [];
  let sent = 0;
  let forgotten = 0;
  probes.set(name, samples);
  const onAnswer = (bytes: Buffer): void => {
    const sample = bytes.length === 8 ? samples[Number(bytes.readBigUInt64BE()) - forgotten] : undefined;
    if (sample !== undefined && sample[1] === null) sample[1] = wallMs();
  };
  const begin = (): void => {
    const start = performance.now();
    setInterval(() => {
      // Timers come late on a busy machine: catch up, but never with a burst that hides a gap.
      for (let burst = 0; burst < 3 && start + sent * everyMs <= performance.now(); burst++) {
        const packet = Buffer.alloc(8);
        packet.writeBigUInt64BE(BigInt(sent));
        samples.push([wallMs(), null]);
        sockets[sent++ % probeSockets]?.send(packet, () => undefined);
      }
      if (samples.length > sampleLimit) forgotten += samples.splice(0, sampleLimit / 2).length;
    }, everyMs);
  };
  let connected = 0;
  for (const socket of sockets) {
    socket.on('error', () => undefined); // unreachable for a moment: the probe counts as lost
    socket.on('message', onAnswer);
    socket.connect(7, address, () => {
      connected++;
      if (connected === probeSockets) begin();
    });
  }
}

async function openIcmpProbe(name: string, address: string, everyMs: number): Promise<void> {
  const samples: ProbeSample[] = [];
  let forgotten = 0;
  try {
    await startProbe({
      address: ip(address),
      intervalMs: everyMs,
      onSent: ({ sequence }) => {
        samples[sequence - forgotten] = [wallMs(), null];
        if (samples.length > sampleLimit) forgotten += samples.splice(0, sampleLimit / 2).length;
      },
      onReply: ({ sequence }) => {
        const sample = samples[sequence - forgotten];
        if (sample !== undefined) sample[1] = wallMs();
      },
    });
    probes.set(name, samples);
  } catch (error) {
    tell({ event: 'unavailable', name, text: (error as Error).message });
  }
}

function perform(command: ClientCommand): void {
  if (command.type === 'connect') return openStream(command.name, command.address);
  if (command.type === 'probe' && command.by === 'icmp') return void openIcmpProbe(command.name, command.address, command.everyMs);
  if (command.type === 'probe') return openUdpProbe(command.name, command.address, command.everyMs);
  if (command.type === 'streams') return tell({ event: 'streams', id: command.id, streams: [...streams.values()].map((report) => report()) });
  const inside = [...probes].map(([name, samples]): [string, ProbeSample[]] => [name, samples.filter(([at]) => at >= command.from && at <= command.to)]);
  tell({ event: 'samples', id: command.id, probes: Object.fromEntries(inside) });
}

function tell(event: ClientEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => perform(JSON.parse(line) as ClientCommand))
  .on('close', () => process.exit(0));
tell({ event: 'ready' });
