import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** An event as QEMU tells it; `at`: QEMU's own time stamp as wall clock, ms. */
export interface QmpEvent {
  readonly at: number;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One connection to QEMU's monitor. */
export interface Qmp {
  /** Resolves with what the command returns. Rejects with QEMU's own words, or when the connection ends or says nothing for 5 s. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}

interface Message {
  readonly QMP?: object;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp?: { readonly seconds: number; readonly microseconds: number };
}

const answerMs = 5000;

/** Reads one line of QMP: an event, or undefined for answers and greetings. */
export function eventOf(message: Message): QmpEvent | undefined {
  if (message.event === undefined || message.timestamp === undefined) return undefined;
  const { seconds, microseconds } = message.timestamp;
  return { at: seconds * 1000 + microseconds / 1000, event: message.event, data: message.data ?? {} };
}

/** Connects to the monitor at the Unix socket `path` and leaves negotiation mode. Rejects when nobody listens there. */
export async function openQmp(path: string, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
  const socket = connect(path);
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let nextId = 1;
  let ended: Error | undefined;
  const end = (error: Error): void => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  const execute: Qmp['execute'] = (command, args) => new Promise((resolve, reject) => {
    if (ended !== undefined) return reject(ended);
    const id = nextId++;
    const settle = <T>(then: (value: T) => void) => (value: T): void => {
      clearTimeout(timer);
      waiting.delete(id);
      then(value);
    };
    const timer = setTimeout(() => waiting.get(id)?.reject(new Error(`QEMU did not answer ${command} within ${answerMs / 1000} s`)), answerMs);
    waiting.set(id, { resolve: settle(resolve), reject: settle((error: Error) => reject(new Error(`${command}: ${error.message}`))) });
    socket.write(`${JSON.stringify({ execute: command, id, ...(args === undefined ? {} : { arguments: args }) })}\n`);
  });
  const greeted = new Promise<void>((resolve, reject) => {
    socket.once('error', reject).once('close', () => reject(new Error('QEMU closed its monitor')));
    createInterface({ input: socket }).on('error', () => undefined).on('line', (line) => {
      const message = JSON.parse(line) as Message;
      const event = eventOf(message);
      if (message.QMP !== undefined) resolve();
      else if (event !== undefined) onEvent(event);
      else if (message.error !== undefined) waiting.get(message.id ?? 0)?.reject(new Error(message.error.desc));
      else waiting.get(message.id ?? 0)?.resolve(message.return);
    });
  });
  socket.on('error', (error) => end(new Error(`QEMU closed its monitor: ${error.message}`))).on('close', () => end(new Error('QEMU closed its monitor')));
  await greeted;
  await execute('qmp_capabilities');
  return { execute, close: () => socket.destroy() };
}
