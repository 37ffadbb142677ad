import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { KubernetesConfig } from '../../config/config.ts';
import type { Labels } from '../../config/effective.ts';
import { newBudget, spend } from '../kubernetes/event-budget.ts';
import { nodeEventOf, omittedEvent } from '../kubernetes/node-events.ts';
import type { Log } from '../log.ts';
import type { Note } from '../world.ts';
import { whereApiServer } from './kubernetes/api.ts';
import { usualPace, type Pace } from './kubernetes/pace.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './kubernetes/worker.ts';
import { defaultStateFile } from './state.ts';

export interface KubernetesOptions {
  readonly config: KubernetesConfig;
  readonly node: string;
  readonly stateFile?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Without: the labels count, and nothing is told. */
  readonly events: boolean;
  readonly log: Log;
  readonly pace?: Pace;
  /** Default: the built worker. */
  readonly startThread?: (data: WorkerOptions) => Worker;
}

export interface Kubernetes {
  /** The Node's labels as they were last seen; undefined before, and where the API server was never reached. */
  labels(): Labels | undefined;
  /** From now on: the labels have changed. */
  onLabels(changed: () => void): void;
  /** Tells of a note, where it is one for the cluster. Costs the caller no more than a message to another thread. */
  note(note: Note, wallMs: number): void;
  /** Whole sentences for `status`. */
  problems(): string[];
  close(): void;
}

/** How long a start waits for the labels, in milliseconds. */
const patienceMs = 3000;
/** Events that may be under way; what comes beyond is counted as omitted. */
const underWayAtMost = 64;
/** A thread that failed is started anew after this time, in milliseconds. */
const restartMs = 10_000;

function startThread(data: WorkerOptions): Worker {
  return new Worker(new URL('./kubernetes/worker.js', import.meta.url), { workerData: data, resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 } });
}

/** Starts the thread that speaks with the API server, and waits a little for the Node's labels. Never throws: what is wrong is a problem to be shown. */
export async function openKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { config, node, log } = options;
  const problems = new Map<string, string>();
  const where = whereApiServer(config.server, options.environment);
  const lines = log.child({ room: 'src' });
  const problem = (about: string, text: string | undefined): void => {
    if (text === undefined) problems.delete(about);
    else if (problems.get(about) !== text) lines.write('warn', 'kubernetes.problem', { text });
    if (text !== undefined) problems.set(about, text);
  };
  let labels: Labels | undefined;
  let changed = (): void => undefined;
  let answered = (): void => undefined;
  let worker: Worker | undefined;
  let restart: NodeJS.Timeout | undefined;
  let underWay = 0;
  let budget = newBudget(performance.now());

  const heard = (message: FromWorker): void => {
    problem('thread', undefined);
    if (message.type === 'done') underWay -= 1;
    else if (message.type === 'problem') problem(message.about, message.text);
    else {
      answered();
      problem('cache', message.cached === true ? `the labels of the Node ${node} are those of an earlier run until the API server answers` : undefined);
      if (message.labels === undefined) return;
      labels = message.labels;
      lines.write('info', 'kubernetes.labels', { node, labels: Object.keys(labels).length, ...(message.cached === true ? { cached: true } : {}) });
      changed();
    }
  };
  const start = (server: { readonly host: string; readonly port: number }): void => {
    underWay = 0;
    for (const about of ['labels', 'events']) problem(about, undefined); // a new thread tells of what is wrong then
    const data: WorkerOptions = {
      server: { ...server, serviceAccount: config.serviceAccount }, node, pace: options.pace ?? usualPace,
      cacheFile: join(dirname(options.stateFile ?? defaultStateFile), 'node-labels.json'),
    };
    const thread = (options.startThread ?? startThread)(data);
    worker = thread;
    thread.unref();
    thread.on('message', heard);
    thread.on('error', (error) => problem('thread', `what speaks with the API server has failed, and begins anew: ${error.message}`));
    thread.on('exit', () => {
      if (worker !== thread) return;
      restart = setTimeout(() => start(server), restartMs);
      restart.unref();
    });
  };

  if (where === undefined) problem('labels', 'kubernetes.enabled: neither kubernetes.server nor KUBERNETES_SERVICE_HOST says where the API server is');
  else {
    const first = new Promise<void>((resolve) => { answered = resolve; });
    start(where);
    const patience = new Promise<void>((resolve) => setTimeout(resolve, patienceMs).unref());
    await Promise.race([first, patience]);
  }
  return {
    labels: () => labels,
    onLabels: (listener) => { changed = listener; },
    note(note, wallMs) {
      const event = options.events && worker !== undefined ? nodeEventOf(note) : undefined;
      if (event === undefined) return;
      if (underWay >= underWayAtMost) {
        budget = { ...budget, omitted: budget.omitted + 1 };
        return;
      }
      const spent = spend(budget, performance.now());
      budget = spent.budget;
      if (!spent.allowed) return;
      for (const each of spent.omitted > 0 ? [omittedEvent(spent.omitted), event] : [event]) {
        underWay += 1;
        worker?.postMessage({ type: 'event', event: each, wallMs } satisfies ToWorker);
      }
    },
    problems: () => [...problems.values()],
    close() {
      clearTimeout(restart);
      const thread = worker;
      worker = undefined;
      void thread?.terminate();
    },
  };
}
