import { randomBytes } from 'node:crypto';
import type { NodeEvent } from '../../kubernetes/node-events.ts';
import { ApiServerError, callApiServer, readAll, type ApiServer } from './api.ts';
import { backOffMs, type Pace } from './pace.ts';
import { pause } from './watch-node.ts';

export interface EventPost {
  readonly server: ApiServer;
  readonly node: string;
  readonly pace: Pace;
  readonly signal: AbortSignal;
  /** The Node's uid where it is known; `kubectl describe node` finds Events by either. */
  uid(): string | undefined;
  /** One is done with: posted, or given up. */
  onDone(): void;
  /** Why Events don't get through; undefined: they do. */
  onProblem(text: string | undefined): void;
}

/** Tries for one Event; then it is given up, for those behind it are newer. */
const tries = 5;

/** Posts Events one after the other, in order. @returns what takes the next one; whoever calls it sees to it that not too many wait. */
export function openEventPost(post: EventPost): (event: NodeEvent, wallMs: number) => void {
  const waiting: object[] = [];
  let busy = false;
  const work = async (): Promise<void> => {
    busy = true;
    for (let next = waiting.shift(); next !== undefined && !post.signal.aborted; next = waiting.shift()) {
      await deliver(post, next);
      post.onDone();
    }
    busy = false;
  };
  return (event, wallMs) => {
    waiting.push(eventObject(event, wallMs, post.node, post.uid()));
    if (!busy) void work();
  };
}

async function deliver(post: EventPost, body: object): Promise<void> {
  for (let failures = 1; failures <= tries && !post.signal.aborted; failures++) {
    try {
      const response = await callApiServer(post.server, { method: 'POST', path: '/api/v1/namespaces/default/events', body, timeoutMs: post.pace.answerMs, signal: post.signal });
      await readAll(response, 1024 * 1024);
      return post.onProblem(undefined);
    } catch (error) {
      if (post.signal.aborted || !(error instanceof ApiServerError)) return;
      if (error.status === 409) return post.onProblem(undefined); // a try before this one got through, though its answer did not
      post.onProblem(`Events can't be created: ${error.message}`);
      const final = error.status >= 400 && error.status <= 499 && ![401, 408, 429].includes(error.status);
      if (final || failures === tries) return;
      await pause(error.retryAfterMs ?? backOffMs(failures, post.pace), post.signal);
    }
  }
}

/** A core/v1 Event. Those on objects without a namespace live in `default`. */
export function eventObject({ reason, type, message }: NodeEvent, wallMs: number, node: string, uid: string | undefined): object {
  const timestamp = `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
  return {
    apiVersion: 'v1', kind: 'Event',
    metadata: { name: `${node}.${randomBytes(8).toString('hex')}`, namespace: 'default' },
    involvedObject: { apiVersion: 'v1', kind: 'Node', name: node, uid: uid ?? node },
    reason, type, message, count: 1, firstTimestamp: timestamp, lastTimestamp: timestamp,
    source: { component: 'landfall', host: node }, reportingComponent: 'landfall', reportingInstance: node,
  };
}
