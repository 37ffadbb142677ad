import type { ServerResponse } from 'node:http';
import type { Backend } from '../backend.ts';
import type { EventItem } from '../views/items.ts';

/** Streams at once; the rest of the connections stays free for questions. */
export const streamLimit = 16;
/** Events that wait at most for a reader that does not read. A burst that finds the reader ready is written whole. */
export const queueLimit = 1000;
/** Time a dropped reader has to read its last line, in ms. */
const farewellMs = 2000;

interface Stream {
  readonly response: ServerResponse;
  readonly types: ReadonlySet<EventItem['type']> | undefined;
  queue: EventItem[];
}

/**
 * The readers of `GET /v1/events`: one JSON object a line. An event costs the speaker one push for each reader; writing happens
 * when the turn of the event loop is over. A reader that lags by more than {@link queueLimit} events gets a last line and is dropped.
 */
export class EventStreams {
  private readonly backend: Backend;
  private readonly lastLine: (message: string) => string;
  private readonly streams = new Set<Stream>();
  private unsubscribe: (() => void) | undefined;
  private due = false;

  /** @param lastLine makes the error object that ends a stream. */
  constructor(backend: Backend, lastLine: (message: string) => string) {
    this.backend = backend;
    this.lastLine = lastLine;
  }

  /** @returns false when there are {@link streamLimit} already. */
  add(response: ServerResponse, types: ReadonlySet<EventItem['type']> | undefined): boolean {
    if (this.streams.size >= streamLimit) return false;
    const stream: Stream = { response, types, queue: [] };
    response.socket?.setTimeout(0);
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    response.flushHeaders();
    response.on('close', () => this.remove(stream));
    response.on('drain', () => this.schedule());
    this.streams.add(stream);
    this.unsubscribe ??= this.backend.subscribe((event) => this.take(event));
    return true;
  }

  /** Ends every stream. */
  close(message: string): void {
    for (const stream of this.streams) this.drop(stream, message);
  }

  private take(event: EventItem): void {
    for (const stream of this.streams) {
      if (stream.types === undefined || stream.types.has(event.type)) stream.queue.push(event);
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.due) return;
    this.due = true;
    setImmediate(() => {
      this.due = false;
      for (const stream of this.streams) this.write(stream);
    });
  }

  private write(stream: Stream): void {
    if (!stream.response.writableNeedDrain) {
      if (stream.queue.length === 0) return;
      const lines = stream.queue.map((event) => `${JSON.stringify(event)}\n`).join('');
      stream.queue = [];
      stream.response.write(lines);
    } else if (stream.queue.length > queueLimit) {
      this.drop(stream, `this reader lagged by more than ${queueLimit} events and was dropped; ask for the present state and read on`);
    }
  }

  private drop(stream: Stream, message: string): void {
    this.remove(stream);
    stream.response.end(`${this.lastLine(message)}\n`);
    const timer = setTimeout(() => stream.response.destroy(), farewellMs);
    timer.unref();
    stream.response.on('close', () => clearTimeout(timer));
  }

  private remove(stream: Stream): void {
    this.streams.delete(stream);
    if (this.streams.size > 0) return;
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }
}
