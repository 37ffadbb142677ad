import { readFileSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { formatErrors } from '../../config/errors.ts';
import { loadConfig } from '../../config/io/load.ts';
import { captureFormatOf, packetReader, type PacketReader } from '../../garp/wire/capture-format.ts';
import { printable } from '../../net/printable.ts';
import { timeText } from '../collect/time.ts';
import { FileUnreadable, readPieces } from '../io/pieces.ts';
import { entryText, type Entry } from '../replay/account.ts';
import { CaptureReplay, defaultPortOf, mostFrames, summaryText, type Replayed } from '../replay/capture.ts';
import { isFolder, replayFolder } from '../replay/io/reading.ts';
import type { Began } from '../replay/recording.ts';
import { escapeControls } from '../views/output.ts';
import { CommandError, defaultConfigFile, printAll, say, status, type GlobalOptions } from './global.ts';

export interface ReplayOptions {
  /** Where frames come in of which the file does not say it. */
  readonly port?: string;
  /** A file with the output that is expected. */
  readonly expect?: string;
}

/** `replay FILE` or `replay FOLDER`. @returns 0, or 1 if it is not as expected or not as recorded. */
export async function replay(options: GlobalOptions, own: ReplayOptions, file: string): Promise<number> {
  if (isFolder(file)) return replayRecording(options, own, file);
  const config = configOf(options);
  const { entries, sent, frames, firstWallMs, unreadable } = await replayCapture(options, file, new CaptureReplay(config, own.port ?? defaultPortOf(config)));
  if (frames === 0) say(options, `${file} has no announcement, nor anything else that a node would look at`);
  const text = [...entries.map(entryText), summaryText(sent)];
  await show(options, text, { node: config.node.name, wallMs: firstWallMs }, { entries, wouldSend: sent.map(({ during: _during, ...rest }) => rest) });
  const compared = compare(options, own, text);
  return unreadable ? status.failed : compared;
}

function configOf(options: GlobalOptions): Config {
  const file = options.config ?? defaultConfigFile;
  const { config, errors } = loadConfig(file, { environment: process.env, keys: 'not needed' });
  if (config === undefined) throw new CommandError(status.config, formatErrors(errors));
  return config;
}

/** `unreadable`: the file could not be read to its end, as a packed one that is cut off; the frames before that count. */
async function replayCapture(options: GlobalOptions, file: string, capture: CaptureReplay): Promise<Replayed & { readonly unreadable: boolean }> {
  let reader: PacketReader | undefined;
  let full = false;
  let unreadable = false;
  try {
    for await (const piece of readPieces(file, 4)) {
      if (reader === undefined) {
        const format = captureFormatOf(piece);
        if (format === undefined) throw new FileUnreadable(`${file} is no pcap or pcapng file`);
        reader = packetReader(format);
      }
      const { packets, problem } = reader.push(piece);
      for (const packet of packets) full ||= !capture.take(packet);
      if (problem !== undefined) say(options, `landfall: nothing more of ${file} can be read: ${problem}`);
      if (full || problem !== undefined) break;
    }
  } catch (error) {
    if (!(error instanceof FileUnreadable)) throw error;
    if (reader === undefined) throw new CommandError(status.failed, error.message);
    unreadable = true;
    say(options, `landfall: ${error.message}`);
  }
  const problem = full || unreadable ? undefined : reader?.end().problem;
  if (problem !== undefined) say(options, `landfall: ${file}: ${problem}`);
  if (full) say(options, `landfall: ${file} has more than ${mostFrames} frames that a node would look at; the rest is left out`);
  return { ...capture.finish(), unreadable };
}

async function replayRecording(options: GlobalOptions, own: ReplayOptions, folder: string): Promise<number> {
  const replayed = await replayFolder(folder).catch((error: Error) => { throw new CommandError(status.failed, `${folder}: ${printable(error.message, 500)}`); });
  const difference = replayed.difference();
  const count = replayed.replayed.length;
  const text = [...replayed.entries.map(entryText), difference === undefined ? `as recorded: ${count} decision${count === 1 ? '' : 's'}` : `NOT as recorded, from decision ${difference.decision} on`];
  await show(options, text, replayed.began, { entries: replayed.entries, asRecorded: difference === undefined, decisions: replayed.replayed });
  if (difference !== undefined) {
    say(options, `landfall: recorded: ${printable(difference.recorded ?? 'nothing more', 300)}`);
    say(options, `landfall: replayed: ${printable(difference.replayed ?? 'nothing more', 300)}`);
    return status.failed;
  }
  return compare(options, own, text);
}

/** Beyond that there are no dates: a capture may say anything. */
const mostWallMs = 8.64e15;

/**
 * As a table the lines themselves; `-o jsonl` one object for each; `json` and `yaml` all of them in one.
 * @param began whose node, and when it began by the clock of the capture, not of now: each replay of a file prints the same
 */
async function show(options: GlobalOptions, text: readonly string[], began: Began, found: { readonly entries: readonly Entry[] } & Readonly<Record<string, unknown>>): Promise<void> {
  const { entries, ...rest } = found;
  switch (options.output) {
    case 'jsonl':
      return printAll([...entries, rest].map((item) => `${escapeControls(JSON.stringify(item))}\n`).join(''));
    case 'json':
    case 'yaml': {
      const time = began.wallMs === undefined || Math.abs(began.wallMs) > mostWallMs ? {} : { time: timeText(began.wallMs) };
      const reply = { apiVersion: 'landfall/v1', kind: 'Replay', node: began.node, ...time, items: entries, ...rest };
      return printAll(options.output === 'json' ? `${escapeControls(JSON.stringify(reply, undefined, 2))}\n` : (await import('../../config/yaml-text.ts')).toYaml(reply));
    }
    default:
      return printAll(text.map((line) => `${line}\n`).join(''));
  }
}

/** `--expect`: the lines of the table, whatever was printed. */
function compare(options: GlobalOptions, own: ReplayOptions, text: readonly string[]): number {
  if (own.expect === undefined) return 0;
  let wanted: string[];
  try {
    wanted = readFileSync(own.expect, 'utf8').trimEnd().split('\n');
  } catch (error) {
    throw new CommandError(status.failed, `${own.expect} can't be read: ${(error as Error).message}`);
  }
  for (let i = 0; i < Math.max(wanted.length, text.length); i++) {
    if (wanted[i]?.trimEnd() === text[i]?.trimEnd()) continue;
    say(options, `landfall: not as expected, from line ${i + 1} on`);
    say(options, `landfall: expected: ${printable(wanted[i] ?? 'nothing more', 300)}`);
    say(options, `landfall: replayed: ${printable(text[i] ?? 'nothing more', 300)}`);
    return status.failed;
  }
  return 0;
}
