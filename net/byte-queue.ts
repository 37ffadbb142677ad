/**
 * Octets that arrive in pieces and leave in others. A consumer takes what it needs once enough is there, so that a record of a stream is
 * copied once at most, and only where it lies across two pieces.
 */
export class ByteQueue {
  private pieces: Uint8Array[] = [];
  /** Where the first piece goes on. */
  private at = 0;
  /** Octets that wait. */
  length = 0;
  /** Octets that have left since the start: where in the stream the next one stands. */
  taken = 0;

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.pieces.push(piece);
    this.length += piece.length;
  }

  /** The next `count` octets without taking them, or `undefined` while they are not all there. A view: valid until the next call. */
  peek(count: number): Uint8Array | undefined {
    if (count > this.length) return undefined;
    if (count === 0) return new Uint8Array(0);
    const first = this.pieces[0] as Uint8Array;
    if (first.length - this.at >= count) return first.subarray(this.at, this.at + count);
    const whole = new Uint8Array(this.length);
    let filled = 0;
    this.pieces.forEach((piece, i) => {
      const part = i === 0 ? piece.subarray(this.at) : piece;
      whole.set(part, filled);
      filled += part.length;
    });
    this.pieces = [whole];
    this.at = 0;
    return whole.subarray(0, count);
  }

  /** The next `count` octets, or `undefined` while they are not all there. */
  take(count: number): Uint8Array | undefined {
    const bytes = this.peek(count);
    if (bytes !== undefined) this.skip(count);
    return bytes;
  }

  /** Drops at most `count` octets. @returns how many. */
  skip(count: number): number {
    const dropped = Math.min(count, this.length);
    this.length -= dropped;
    this.taken += dropped;
    let left = dropped + this.at;
    let gone = 0;
    while (gone < this.pieces.length && left >= (this.pieces[gone] as Uint8Array).length) left -= (this.pieces[gone++] as Uint8Array).length;
    if (gone > 0) this.pieces.splice(0, gone);
    this.at = left;
    return dropped;
  }
}
