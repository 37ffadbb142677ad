import { parseWatchLine, type WatchLine } from '../../kubernetes/watch-line.ts';
import { ApiServerError, callApiServer, type ApiServer } from './api.ts';
import { backOffMs, type Pace } from './pace.ts';

export interface NodeWatch {
  readonly server: ApiServer;
  readonly node: string;
  readonly pace: Pace;
  readonly signal: AbortSignal;
  /** The Node as it is now; also when nothing of it has changed. */
  onNode(node: Extract<WatchLine, { type: 'node' }>): void;
  /** Why its labels are not known as they are now; undefined: they are. */
  onProblem(text: string | undefined): void;
}

/** Octets of a line at most. */
const lineLimit = 4 * 1024 * 1024;
/** Only the metadata of the Node: its status changes often and means nothing here. */
const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json';

/**
 * Follows one Node until `signal`. A watch begins without a version (the server then says first how the Node is), goes on from the last
 * version after an end, and anew where that is too old (410), the Node is not there, or the server refuses for whatever reason: it may be that
 * it will never know the version (an etcd that was restored), and one Node costs little to be told again. Never throws.
 */
export async function watchNode(watch: NodeWatch): Promise<void> {
  const { pace, signal } = watch;
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    let waitMs = pace.againMs;
    try {
      version = await follow(watch, version, () => { failures = 0; });
    } catch (error) {
      if (signal.aborted) return;
      version = undefined;
      if (!(error instanceof ApiServerError && error.status === 410)) {
        failures += 1;
        watch.onProblem(`the Node ${watch.node} can't be watched: ${(error as Error).message}`);
        waitMs = error instanceof ApiServerError && error.retryAfterMs !== undefined ? error.retryAfterMs : backOffMs(failures, pace);
      }
    }
    await pause(waitMs, signal);
  }
}

/** One watch, until the server ends it. @returns the version to go on from; undefined where there is no such Node. @throws ApiServerError */
async function follow({ server, node, pace, signal, onNode, onProblem }: NodeWatch, from: string | undefined, onBegun: () => void): Promise<string | undefined> {
  const query = new URLSearchParams({
    watch: 'true', allowWatchBookmarks: 'true', fieldSelector: `metadata.name=${node}`, timeoutSeconds: String(Math.round(pace.watchMs / 1000)),
    ...(from === undefined ? {} : { resourceVersion: from }),
  });
  const response = await callApiServer(server, { method: 'GET', path: `/api/v1/nodes?${query.toString()}`, accept, timeoutMs: pace.answerMs, signal });
  response.setTimeout(pace.watchMs + pace.answerMs, () => response.destroy(new Error('nothing was heard for too long')));
  response.setEncoding('utf8');
  let version = from;
  let rest = '';
  // A version goes on from a Node that is known: a watch that goes on says nothing of one that is not there.
  let isThere = from !== undefined;
  // Of a Node that does not exist the server says nothing at all.
  const absent = setTimeout(() => {
    if (!isThere) onProblem(`the cluster has no Node ${node}: node.name must be the name of its Node; no labels of it count but those that were known before`);
  }, pace.answerMs);
  if (from !== undefined) onProblem(undefined);
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() as string;
      if (rest.length > lineLimit) throw new ApiServerError(0, 'a line of the watch is too long');
      for (const line of lines) {
        if (line === '') continue;
        const said = parseWatchLine(line);
        if (said.type === 'expired') throw new ApiServerError(410, 'the version is too old');
        if (said.type === 'problem') throw new ApiServerError(0, said.text);
        onBegun();
        version = said.version ?? version;
        if (said.type === 'node') {
          isThere = true;
          onNode(said);
          onProblem(undefined);
        } else if (said.type === 'deleted') {
          isThere = false;
          onProblem(`the Node ${node} is gone from the cluster; its last labels stay in force`);
        }
      }
    }
  } catch (error) {
    // A connection that broke has told all that it told: the next watch goes on from there.
    if (error instanceof ApiServerError || signal.aborted) throw error;
    return isThere ? version : undefined;
  } finally {
    clearTimeout(absent);
    response.destroy();
  }
  return isThere ? version : undefined;
}

/** Waits, or until `signal`. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
