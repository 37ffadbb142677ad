import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** A file can't be read: the sentence for the operator. */
export class FileUnreadable extends Error {
  override name = 'FileUnreadable';
}

/** Packers that node:zlib does not know, by the octets that their files begin with. */
const packed: readonly { readonly name: string; readonly tool: string; readonly magic: readonly number[] }[] = [
  { name: 'bzip2', tool: 'bzcat', magic: [0x42, 0x5a, 0x68] },
  { name: 'xz', tool: 'xzcat', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: 'zstd', tool: 'zstdcat', magic: [0x28, 0xb5, 0x2f, 0xfd] },
];

/**
 * A file piece by piece, unpacked if it is gzip; `-` is standard input. The first piece has at least `first` octets, or is the whole file.
 * @throws FileUnreadable while it is read
 */
export async function* readPieces(path: string, first: number): AsyncGenerator<Uint8Array> {
  const name = path === '-' ? 'standard input' : path;
  try {
    const raw = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 256 * 1024 });
    yield* gathered(unpacked(name, raw), first);
  } catch (error) {
    if (error instanceof FileUnreadable) throw error;
    throw new FileUnreadable(`${name} can't be read: ${(error as Error).message}`);
  }
}

async function* unpacked(name: string, raw: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  const pieces = gathered(raw as AsyncIterable<Uint8Array>, 6);
  const first = await pieces.next();
  if (first.done === true) return;
  const start = first.value;
  const known = packed.find(({ magic }) => magic.every((octet, i) => start[i] === octet));
  if (known !== undefined) throw new FileUnreadable(`${name} is packed with ${known.name}: unpack it, for example with ${known.tool} … | landfall decode -`);
  const whole = joined(start, pieces);
  if (start[0] !== 0x1f || start[1] !== 0x8b) {
    yield* whole;
    return;
  }
  const gunzip = createGunzip();
  const source = Readable.from(whole);
  source.on('error', (error) => gunzip.destroy(error));
  yield* source.pipe(gunzip) as AsyncIterable<Uint8Array>;
}

async function* joined(start: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  yield* rest;
}

/** The same octets with at least `first` of them in the first piece. */
async function* gathered(pieces: AsyncIterable<Uint8Array>, first: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] | undefined = [];
  let length = 0;
  try {
    for await (const piece of pieces) {
      if (held === undefined) {
        yield piece;
        continue;
      }
      held.push(piece);
      length += piece.length;
      if (length < first) continue;
      const start = Buffer.concat(held);
      held = undefined;
      yield start;
    }
  } catch (error) {
    // What came before the file proved to be cut off counts, however little it is.
    if (held !== undefined && length > 0) yield Buffer.concat(held);
    throw error;
  }
  if (held !== undefined && length > 0) yield Buffer.concat(held);
}
