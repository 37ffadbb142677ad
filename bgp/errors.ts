/**
 * What a peer did wrong, as the NOTIFICATION that answers it (RFC 4271 section 6). Thrown by decoders and by nothing else;
 * caught once, in `session.ts` (and by `landfall decode`).
 */
export class BgpError extends Error {
  override name = 'BgpError';
  /** Error code, RFC 4271 section 4.5. */
  readonly code: number;
  readonly subcode: number;
  /** The Data field of the NOTIFICATION. */
  readonly data: Uint8Array;
  /** Where in the message (from the first octet of the header) the fault was found, if that is known. */
  readonly offset: number | undefined;

  /** @param detail what was expected and what came; joined to the code's name by `describeError` in `wire/notification.ts`. */
  constructor(code: number, subcode: number, detail: string, data: Uint8Array = new Uint8Array(0), offset?: number) {
    super(detail);
    this.code = code;
    this.subcode = subcode;
    this.data = data;
    this.offset = offset;
  }
}
