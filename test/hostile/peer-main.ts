// The hostile peer on the wire: started inside a network namespace with a list of runs (JSON), it plays each case from an address of its
// own and says what came back, a line of JSON each. Connections that live stay open until its input ends, so that tables can be read.
import { connect, type Socket } from 'node:net';
import { decodeHeader } from '../../bgp/wire/header.ts';
import { hex } from '../bgp/wire/build.ts';
import { addressOf, goodUpdates, keepalive, openMessage, speakerAsn, speakerIdentifier, usualCapabilities, type Case, type Facts, type Mode } from './case.ts';
import { casesOf } from './cases.ts';

export interface PeerRun {
  readonly name: string;
  readonly mode: Mode;
  readonly slot: number;
}

export interface PeerSaw {
  readonly slot: number;
  readonly connected: boolean;
  readonly established: boolean;
  readonly closed: boolean;
  readonly notification?: { readonly code: number; readonly subcode: number; readonly data: string };
}

const settleMs = Number(process.env['HOSTILE_SETTLE_MS'] ?? 1500);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class Wire {
  readonly #socket: Socket;
  #pending = Buffer.alloc(0);
  readonly heard: number[] = [];
  notification: PeerSaw['notification'];
  closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', () => { this.closed = true; });
    socket.on('close', () => { this.closed = true; });
    socket.on('end', () => { this.closed = true; });
  }

  static async open(slot: number): Promise<Wire | undefined> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const socket = await new Promise<Socket | undefined>((resolve) => {
        const trying = connect({ host: speakerIdentifier, port: 179, localAddress: addressOf(slot) });
        trying.once('connect', () => resolve(trying));
        trying.once('error', () => resolve(undefined));
      });
      if (socket !== undefined) {
        const wire = new Wire(socket);
        // Some speakers take the connection and drop it again while they are not ready for this neighbour.
        if (await wire.until(() => wire.heard.includes(1) || wire.closed, 3000) && wire.heard.includes(1)) return wire;
        wire.end();
      }
      await sleep(100);
    }
    return undefined;
  }

  async until(check: () => boolean, timeoutMs: number): Promise<boolean> {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(5)) if (check()) return true;
    return check();
  }

  async say(...messages: readonly Uint8Array[]): Promise<void> {
    for (const bytes of messages) {
      if (this.closed) return;
      this.#socket.write(bytes);
      if (bytes.length === 1) await sleep(0); // one octet a segment
    }
  }

  end(how: 'fin' | 'rst' = 'fin'): void {
    if (how === 'rst') this.#socket.resetAndDestroy();
    else this.#socket.end();
  }

  #take(bytes: Uint8Array): void {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    while (this.#pending.length >= 19) {
      const { length, type } = decodeHeader(this.#pending, 0, 65535);
      if (this.#pending.length < length) return;
      this.heard.push(type);
      if (type === 3) this.notification ??= { code: this.#pending[19] as number, subcode: this.#pending[20] as number, data: hex(this.#pending.subarray(21, length)) };
      this.#pending = this.#pending.subarray(length);
    }
  }
}

async function play(one: Case, facts: Facts): Promise<PeerSaw> {
  const { slot } = facts;
  const wire = await Wire.open(slot);
  if (wire === undefined) return { slot, connected: false, established: false, closed: true };
  const beats = setInterval(() => void (established() && wire.say(keepalive)), 2000);
  const established = (): boolean => wire.heard.includes(4);
  if (one.stage !== 'connected') await wire.say(openMessage(facts, one.capabilities?.(facts) ?? usualCapabilities(facts)));
  if (one.stage === 'established') {
    await wire.until(() => established() || wire.closed, 5000);
    await wire.say(keepalive);
    await sleep(100);
    await wire.say(...goodUpdates(facts, ...(one.base ?? ['4:1', '6:1'])));
    await sleep(150);
  }
  await wire.say(...one.send(facts));
  if (one.hangUp !== undefined) {
    wire.end(one.hangUp);
    clearInterval(beats);
    return { slot, connected: true, established: true, closed: false };
  }
  if (one.stage === 'connected') {
    await wire.until(() => established() || wire.closed, one.expect.some(({ type }) => type === 'up') ? 5000 : 300);
    if (established()) await wire.say(keepalive);
  }
  await sleep(100);
  if (established() && !wire.closed) await wire.say(...goodUpdates(facts, '4:9'));
  await wire.until(() => wire.closed, settleMs);
  if (wire.closed) clearInterval(beats);
  return { slot, connected: true, established: established(), closed: wire.closed, ...(wire.notification === undefined ? {} : { notification: wire.notification }) };
}

const runs = JSON.parse(process.argv[2] as string) as PeerRun[];
await Promise.all(runs.map(async ({ name, mode, slot }) => {
  const one = casesOf(mode).find((each) => each.name === name) as Case;
  const facts: Facts = { mode, asn: mode === 'ibgp' ? speakerAsn : 65010, slot, ...(one.twoOctet === true ? { twoOctet: true } : {}) };
  const saw = await play(one, facts).catch((error: unknown): PeerSaw => {
    process.stderr.write(`${name}: ${String(error)}\n`);
    return { slot, connected: false, established: false, closed: true };
  });
  process.stdout.write(`${JSON.stringify(saw)}\n`);
}));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
