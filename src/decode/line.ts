/** What `landfall decode` prints on one line, before it is JSON. All text in it that others chose is escaped when it is printed. */
export type Line = Readonly<Record<string, unknown>>;

/** What is wrong with a BGP message: code, subcode and text are those of the NOTIFICATION that answers it (RFC 4271 section 6). */
export interface MessageError {
  readonly code: number;
  readonly subcode: number;
  /** From the first octet of the header. */
  readonly offset: number;
  readonly text: string;
  /** Of an UPDATE: what RFC 7606 makes of it. */
  readonly handling?: 'attribute-discard' | 'treat-as-withdraw' | 'session-reset';
}

/** Takes a file piece by piece. Never throws, holds a bounded amount, and what is malformed in one place fails nothing in another. */
export interface Decoder {
  push(piece: Uint8Array): Iterable<Line>;
  /** The file has ended. */
  end(): Iterable<Line>;
}

/** Lower case, no separators. */
export function hexText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
