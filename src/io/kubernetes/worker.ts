import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { labelsFrom } from '../../kubernetes/watch-line.ts';
import type { NodeEvent } from '../../kubernetes/node-events.ts';
import type { ApiServer } from './api.ts';
import type { Pace } from './pace.ts';
import { openEventPost } from './post-events.ts';
import { watchNode } from './watch-node.ts';

// The thread that speaks with the API server, so that neither TLS nor JSON ever stands before a frame.

export interface WorkerOptions {
  readonly server: ApiServer;
  readonly node: string;
  readonly pace: Pace;
  /** The last labels known, for a start while the API server is away. */
  readonly cacheFile?: string;
}

export type ToWorker = { readonly type: 'event'; readonly event: NodeEvent; readonly wallMs: number };
export type FromWorker =
  /** `cached`: as of an earlier life. Without labels: nobody knows them now. */
  | { readonly type: 'labels'; readonly labels?: Readonly<Record<string, string>>; readonly cached?: true }
  | { readonly type: 'problem'; readonly about: 'labels' | 'events'; readonly text?: string }
  | { readonly type: 'done' };

/** The labels of an earlier run are taken after this time, in milliseconds. */
const cacheAfterMs = 2000;

if (parentPort !== null) serve(parentPort, workerData as WorkerOptions);

function serve(port: NonNullable<typeof parentPort>, { server, node, pace, cacheFile }: WorkerOptions): void {
  const tell = (message: FromWorker): void => port.postMessage(message);
  const told = new Map<string, string | undefined>();
  const problem = (about: 'labels' | 'events') => (text: string | undefined): void => {
    // One refusal may be followed by an answer: only where there is something to go on with the start does not wait for it.
    if (about === 'labels' && text !== undefined && known === undefined && cacheFile !== undefined && readCache(cacheFile, node) !== undefined) tellCached();
    if (told.get(about) === text) return;
    told.set(about, text);
    tell({ type: 'problem', about, ...(text === undefined ? {} : { text }) });
  };
  let known: string | undefined;
  let fromCache = false;
  let uid: string | undefined;
  const tellCached = (): void => {
    const cached = cacheFile === undefined ? undefined : readCache(cacheFile, node);
    known = cached === undefined ? '' : JSON.stringify(cached);
    fromCache = cached !== undefined;
    tell(cached === undefined ? { type: 'labels' } : { type: 'labels', labels: cached, cached: true });
  };
  // An API server that does not answer at all must not keep a start waiting.
  setTimeout(() => {
    if (known === undefined) tellCached();
  }, cacheAfterMs);
  const { signal } = new AbortController();
  const post = openEventPost({ server, node, pace, signal, uid: () => uid, onDone: () => tell({ type: 'done' }), onProblem: problem('events') });
  port.on('message', ({ event, wallMs }: ToWorker) => post(event, wallMs));
  void watchNode({
    server, node, pace, signal, onProblem: problem('labels'),
    onNode: (now) => {
      uid = now.uid ?? uid;
      const text = JSON.stringify(now.labels);
      if (text === known && !fromCache) return;
      [known, fromCache] = [text, false];
      tell({ type: 'labels', labels: now.labels });
      if (cacheFile !== undefined) writeCache(cacheFile, node, now.labels);
    },
  });
}

function readCache(file: string, node: string): Record<string, string> | undefined {
  try {
    const { node: of, labels } = JSON.parse(readFileSync(file, 'utf8')) as { node?: unknown; labels?: unknown };
    return of === node ? labelsFrom(labels) : undefined;
  } catch {
    return undefined;
  }
}

/** A cache that can't be written is none. */
function writeCache(file: string, node: string, labels: object): void {
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify({ node, labels })}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch {
    // The labels are known now; only a start without the API server would miss them.
  }
}
