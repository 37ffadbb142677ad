import type { ServerResponse } from 'node:http';
import { recentLimit } from '../api-parameters.ts';
import type { EventQuery } from '../api-request.ts';
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
  readonly types: EventQuery['types'];
  queue: EventItem[];
}

/**
 * The readers of `GET /v1/events`: one JSON object a line. An event costs the speaker one push for each reader and one for the
 * memory of recent ones; writing happens when the turn of the event loop is over. A reader that lags by more than
 * {@link queueLimit} events gets a last line and is dropped.
 */
export class EventStreams {
  private readonly lastLine: (message: string) => string;
  private readonly streams = new Set<Stream>();
  private readonly unsubscribe: () => void;
  /** The latest events in a ring, without `frame`: a flood of frames must not push out what matters. */
  private readonly recent: EventItem[] = [];
  private recentAt = 0;
  private due = false;

  /** @param lastLine makes the error object that ends a stream. */
  constructor(backend: Backend, lastLine: (message: string) => string) {
    this.lastLine = lastLine;
    this.unsubscribe = backend.subscribe((event) => this.take(event));
  }

  /** @returns false when there are {@link streamLimit} already. */
  add(response: ServerResponse, query: EventQuery): boolean {
    if (query.follow && this.streams.size >= streamLimit) return false;
    const wanted = (event: EventItem): boolean => query.types === undefined || query.types.has(event.type);
    const past = [...this.recent.slice(this.recentAt), ...this.recent.slice(0, this.recentAt)].filter(wanted);
    const queue = query.recent === 0 ? [] : past.slice(-query.recent);
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    response.flushHeaders();
    if (!query.follow) {
      response.end(queue.map(line).join(''));
      return true;
    }
    const stream: Stream = { response, types: query.types, queue };
    response.socket?.setTimeout(0);
    response.on('close', () => this.streams.delete(stream));
    response.on('drain', () => this.schedule());
    this.streams.add(stream);
    this.schedule();
    return true;
  }

  /** Ends every stream and the subscription. */
  close(message: string): void {
    this.unsubscribe();
    for (const stream of this.streams) {
      this.write(stream);
      if (this.streams.has(stream)) this.drop(stream, message);
    }
  }

  private take(event: EventItem): void {
    if (event.type !== 'frame') {
      this.recent[this.recentAt] = event;
      this.recentAt = (this.recentAt + 1) % recentLimit;
    }
    if (this.streams.size === 0) return;
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
      const lines = stream.queue.map(line).join('');
      stream.queue = [];
      stream.response.write(lines);
    } else if (stream.queue.length > queueLimit) {
      this.drop(stream, `this reader lagged by more than ${queueLimit} events and was dropped; ask for the present state and read on`);
    }
  }

  private drop(stream: Stream, message: string): void {
    this.streams.delete(stream);
    stream.response.end(`${this.lastLine(message)}\n`);
    const timer = setTimeout(() => stream.response.destroy(), farewellMs);
    timer.unref();
    stream.response.on('close', () => clearTimeout(timer));
  }
}

function line(event: EventItem): string {
  return `${JSON.stringify(event)}\n`;
}
