import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Where a key is read from: a systemd credential, a file, or the environment. Plain text in the configuration does not exist. */
export type KeySource = { readonly credential: string } | { readonly file: string } | { readonly env: string };

/** RFC 2385 as Linux has it: TCP_MD5SIG_MAXKEYLEN. */
const longestKey = 80;

/** No key, no session: a sentence for the operator that never holds a part of the key. */
export class KeyError extends Error {
  override name = 'KeyError';
}

/**
 * Reads a TCP MD5 key of 1 to 80 octets; one newline at its end is left out. Read at each dial, so that a rotated file counts.
 * @throws KeyError
 */
export function readKey(source: KeySource, environment: Readonly<Record<string, string | undefined>> = process.env): Uint8Array {
  if ('env' in source) return checkKey(Buffer.from(environment[source.env] ?? ''), `environment variable ${source.env}`);
  if ('file' in source) return readKeyFile(source.file, `key file ${source.file}`, true);
  const folder = environment['CREDENTIALS_DIRECTORY'];
  if (folder === undefined) throw new KeyError(`credential ${source.credential}: CREDENTIALS_DIRECTORY is not set; use LoadCredential= in the unit, or a file`);
  if (source.credential.includes('/') || source.credential === '..') throw new KeyError('a credential is named by a plain file name');
  return readKeyFile(join(folder, source.credential), `credential ${source.credential}`, false);
}

function readKeyFile(path: string, what: string, checkMode: boolean): Uint8Array {
  try {
    const { mode } = statSync(path);
    if (checkMode && (mode & 0o077) !== 0) {
      throw new KeyError(`${what} can be read or written by others (mode ${(mode & 0o777).toString(8)}): chmod 600 it`);
    }
    return checkKey(readFileSync(path), what);
  } catch (error) {
    if (error instanceof KeyError) throw error;
    throw new KeyError(`${what} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
}

function checkKey(bytes: Uint8Array, what: string): Uint8Array {
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? 2 : 1) : 0;
  const key = bytes.subarray(0, bytes.length - end);
  if (key.length === 0) throw new KeyError(`${what} is empty`);
  if (key.length > longestKey) throw new KeyError(`${what} is longer than ${longestKey} octets`);
  return key;
}
