import { readCaptureFile } from '../../garp/io/capture-file.ts';
import { packetDecoder } from '../decode/capture.ts';
import { decoderFor, fileKind, kindLength } from '../decode/decode.ts';
import type { Decoder, Line } from '../decode/line.ts';
import { FileUnreadable, readPieces } from '../io/pieces.ts';
import { escapeControls } from '../views/output.ts';
import { CommandError, printAll, say, status, type GlobalOptions } from './global.ts';

export interface DecodeCommandOptions {
  readonly as4?: true;
  /** In libpcap's language; needs the optional package `pcap`. */
  readonly filter?: string;
}

/** Characters that are gathered before they are printed. */
const printEvery = 64 * 1024;

/** `decode [FILE]`: a JSON object a line, whatever the file holds. @returns 0, also when what it holds is malformed. */
export async function decode(options: GlobalOptions, own: DecodeCommandOptions, file: string | undefined): Promise<number> {
  if (file === undefined && process.stdin.isTTY) throw new CommandError(status.usage, 'name a file, or give one on standard input');
  const path = file ?? '-';
  const print = printer();
  try {
    if (own.filter === undefined) await decodeFile(path, own.as4 === true, print);
    else await decodeFiltered(path, own.filter, own.as4 === true, print);
  } catch (error) {
    await print.flush();
    if (error instanceof FileUnreadable) throw new CommandError(status.failed, error.message);
    throw error;
  }
  await print.flush();
  if (print.count() === 0) say(options, `${path === '-' ? 'standard input' : path} has nothing to decode`);
  return 0;
}

async function decodeFile(path: string, as4: boolean, print: Printer): Promise<void> {
  let decoder: Decoder | undefined;
  try {
    for await (const piece of readPieces(path, kindLength)) {
      if (decoder === undefined) {
        const kind = fileKind(piece);
        if (kind === 'binary') throw new FileUnreadable(`${path === '-' ? 'standard input' : path} holds neither pcap, pcapng, MRT, BGP messages nor lines of hex`);
        decoder = decoderFor(kind, { as4 });
      }
      await print.all(decoder.push(piece));
    }
  } catch (error) {
    // What could be unpacked of a file that is cut off is shown whole.
    if (error instanceof FileUnreadable && decoder !== undefined) await print.all(decoder.end());
    throw error;
  }
  if (decoder !== undefined) await print.all(decoder.end());
}

async function decodeFiltered(path: string, filter: string, as4: boolean, print: Printer): Promise<void> {
  if (path === '-') throw new CommandError(status.usage, '--filter needs a file: libpcap reads it itself');
  const decoder = packetDecoder({ as4 });
  const packets = await readCaptureFile(path, { filter }).catch((error: Error) => { throw new FileUnreadable(error.message); });
  for (const packet of packets) await print.all(decoder.take(packet));
  await print.all(decoder.end());
}

interface Printer {
  all(lines: Iterable<Line>): Promise<void>;
  flush(): Promise<void>;
  count(): number;
}

function printer(): Printer {
  let text = '';
  let count = 0;
  const flush = async (): Promise<void> => {
    if (text === '') return;
    const out = text;
    text = '';
    await printAll(out);
  };
  return {
    async all(lines) {
      for (const line of lines) {
        text += `${escapeControls(JSON.stringify(line))}\n`;
        count += 1;
        if (text.length >= printEvery) await flush();
      }
      // What was decoded of a live capture is shown before the next piece comes.
      await flush();
    },
    flush,
    count: () => count,
  };
}
