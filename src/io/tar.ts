/*
 * A tar archive (POSIX ustar): for each file a header of 512 octets with octal numbers in text, then its octets, padded to 512; two empty blocks at the end.
 */

const blockLength = 512;

export interface ArchivedFile {
  /** A path without `..`, 100 octets at most. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The archive of these files, all of one time (seconds since 1970) and readable by their owner alone. */
export function makeTar(files: readonly ArchivedFile[], seconds: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { path, bytes } of files) {
    parts.push(header(path, bytes.length, seconds), bytes, new Uint8Array((blockLength - (bytes.length % blockLength)) % blockLength));
  }
  return Buffer.concat([...parts, new Uint8Array(2 * blockLength)]);
}

function header(path: string, length: number, seconds: number): Uint8Array {
  const block = Buffer.alloc(blockLength);
  const put = (text: string, at: number): void => { block.write(text, at, 'utf8'); };
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  put(path.slice(0, 100), 0);
  put(octal(0o600, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(length, 11), 124);
  put(octal(seconds, 11), 136);
  put('        ', 148); // the checksum counts itself as blanks
  put('0', 156);
  put('ustar\x0000', 257);
  let sum = 0;
  for (const octet of block) sum += octet;
  put(`${octal(sum, 6)}\0 `, 148);
  return block;
}
