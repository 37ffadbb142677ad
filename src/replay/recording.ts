import type { Config } from '../../config/config.ts';
import type { IpAddress } from '../../net/ip.ts';
import type { Now } from '../../net/time.ts';
import { Speaker } from '../speaker.ts';
import type { Input, Output } from '../world.ts';
import { accountFrame, accountOther, type Entry } from './account.ts';
import { recordingFormat, seededRandom, type RecordingHeader, type RecordingLine } from './format.ts';
import { decisionsOf } from './record.ts';

/** What a recording cannot be replayed for, in words. */
export class NoRecording extends Error {
  override name = 'NoRecording';
}

/** Where the replay and the recording first part ways. */
export interface Difference {
  /** The number of the decision, from 1. */
  readonly decision: number;
  readonly recorded: string | undefined;
  readonly replayed: string | undefined;
}

/** Whose life it was, and when it began by the clock of that time (undefined: not known). */
export interface Began {
  readonly node: string;
  readonly wallMs: number | undefined;
}

/** Lines beyond that are left out of the output; the comparison goes on. */
const mostEntries = 200_000;

/** A recorded speaker's life again, call by call, with the times and the random numbers that it had. */
export class RecordingReplay {
  readonly entries: Entry[] = [];
  readonly recorded: string[] = [];
  readonly replayed: string[] = [];
  readonly began: Began;
  private readonly speaker: Speaker;
  private connections = 0;
  private frames = 0;
  private zeroMs: number | undefined;

  /** @throws NoRecording for a header of another format. */
  constructor(header: unknown) {
    const { recording, config, routerId, dryRun, seed, now } = (header ?? {}) as Partial<RecordingHeader>;
    if (recording !== recordingFormat) throw new NoRecording(`this is no recording of format ${recordingFormat}`);
    if (typeof config !== 'object' || config === null || typeof routerId !== 'string' || typeof seed !== 'number' || typeof now !== 'object' || now === null) {
      throw new NoRecording('the first line of the recording is not whole');
    }
    this.began = { node: (config as Config).node.name, wallMs: (now as Now).wallMs };
    this.speaker = new Speaker(
      { config: config as Config, routerId: routerId as IpAddress, dryRun: dryRun === true, random: seededRandom(seed), newConnection: () => ++this.connections },
      now as Now,
    );
  }

  take(line: RecordingLine): void {
    if ('decided' in line) {
      this.recorded.push(line.decided);
      return;
    }
    const { call, args } = line;
    const method = (this.speaker as unknown as Readonly<Record<string, unknown>>)[call];
    if (typeof method !== 'function') throw new NoRecording(`the recording calls ${JSON.stringify(call)}, which this version does not have`);
    const input = args[0] as Input | undefined;
    this.followConnections(input);
    const outputs = (method as (...args: readonly unknown[]) => unknown).apply(this.speaker, [...args]);
    if (Array.isArray(outputs)) outputs.push(...this.speaker.tell());
    this.replayed.push(...decisionsOf(outputs));
    if (Array.isArray(outputs)) this.account(call, input, args, outputs as Output[]);
  }

  /** `undefined`: it decided as it did then. */
  difference(): Difference | undefined {
    const length = Math.max(this.recorded.length, this.replayed.length);
    for (let i = 0; i < length; i++) {
      const [recorded, replayed] = [this.recorded[i], this.replayed[i]];
      if (recorded !== replayed) return { decision: i + 1, recorded, replayed };
    }
    return undefined;
  }

  /** A connection that the listener took got its name from the daemon, out of the same row of numbers. */
  private followConnections(input: Input | undefined): void {
    if (input?.type !== 'session' && input?.type !== 'caller') return;
    const { connection } = (input.type === 'caller' ? input : input.input) as { readonly connection?: unknown };
    if (typeof connection === 'number') this.connections = Math.max(this.connections, connection);
  }

  private account(call: string, input: Input | undefined, args: readonly unknown[], outputs: readonly Output[]): void {
    if (this.entries.length >= mostEntries) return;
    const { world } = this.speaker;
    const isFrame = call === 'dispatch' && input?.type === 'frame';
    if (isFrame) {
      this.frames += 1;
      this.zeroMs ??= world.now.monotonicMs;
    }
    const offsetSeconds = Math.round((world.now.monotonicMs - (this.zeroMs ?? world.now.monotonicMs)) * 1000) / 1e6;
    if (isFrame && world.bridges.links.get(input.frame.ifindex)?.master === undefined) return; // the bridge's own copy of a frame
    const entries = isFrame
      ? accountFrame(world, input.frame, args[1] as Now, outputs, this.frames, offsetSeconds, new Set())
      : accountOther(call !== 'dispatch' ? 'operator' : input?.type === 'tick' ? 'timer' : input?.type ?? call, outputs, offsetSeconds);
    this.entries.push(...entries);
  }
}
