import { printable } from '../../net/printable.ts';
import { ClusterError, openCluster, type AskCluster } from '../io/cluster.ts';
import { podsPath, proxyPath, speakerPods, type SpeakerPod } from '../kubernetes/pods.ts';
import type { ErrorReply, ListReply } from '../views/items.ts';
import { CommandError, say, status, type GlobalOptions } from './global.ts';

/** Nodes that are asked at the same time. */
const atOnce = 8;
const usualNamespace = 'landfall-system';
const cure = 'its telemetry must listen on the node\'s address with kubernetes.enabled (components metrics and kubernetes)';

/**
 * Asks the speaker of one node (`--node`), or of each (`--all-nodes`), by way of the Kubernetes API server. Of all nodes the answers are one
 * list, each item with its `atNode`; those that do not answer are told on standard error and kept in `options.failedNodes`.
 * @param path with its query. @throws CommandError where nobody answers
 */
export async function askNodes(options: GlobalOptions, path: string): Promise<ListReply<unknown>> {
  const cluster = openCluster(process.env);
  const namespace = options.namespace ?? cluster.namespace ?? usualNamespace;
  const pods = await findPods(options, cluster.ask, namespace);
  const one = async (pod: SpeakerPod): Promise<ListReply<unknown>> => readReply(await cluster.ask(proxyPath(namespace, pod, path), options.timeoutMs));
  if (options.nodes !== 'all') {
    const [pod] = pods as [SpeakerPod];
    return one(pod).catch((error: unknown) => { throw commandErrorOf(error, pod.node); });
  }
  const replies = await askEach(options, pods, one);
  const [first] = replies;
  if (first === undefined) throw new CommandError(status.unreachable, `none of ${pods.length} nodes answers`);
  const items = replies.flatMap(({ pod, reply }) => reply.items.map((item) => ({ atNode: pod.node, ...(item as object) })));
  return { ...first.reply, node: '*', items };
}

async function findPods(options: GlobalOptions, ask: AskCluster, namespace: string): Promise<SpeakerPod[]> {
  const node = options.nodes === 'all' ? undefined : options.nodes;
  const pods = speakerPods(await ask(podsPath(namespace, node), options.timeoutMs).catch((error: unknown) => {
    throw error instanceof ClusterError ? new CommandError(status.unreachable, `the cluster can't be asked: ${error.message}`) : error;
  }));
  if (pods !== undefined && pods.length > 0) return pods;
  throw new CommandError(status.unreachable, `no pod of landfall runs ${node === undefined ? '' : `on ${printable(node)} `}in namespace ${printable(namespace)} (label app.kubernetes.io/name=landfall); --namespace names another`);
}

async function askEach(options: GlobalOptions, pods: readonly SpeakerPod[], one: (pod: SpeakerPod) => Promise<ListReply<unknown>>): Promise<{ readonly pod: SpeakerPod; readonly reply: ListReply<unknown> }[]> {
  const replies = new Map<SpeakerPod, ListReply<unknown>>();
  const waiting = [...pods];
  const work = async (): Promise<void> => {
    for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift()) {
      try {
        replies.set(pod, await one(pod));
      } catch (error) {
        const { message } = commandErrorOf(error, pod.node);
        options.failedNodes.push(pod.node);
        say({ ...options, quiet: false }, `landfall: ${message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, pods.length) }, work));
  return pods.flatMap((pod) => {
    const reply = replies.get(pod);
    return reply === undefined ? [] : [{ pod, reply }];
  });
}

/** @throws CommandError where it is an error, ClusterError where it is nothing of ours */
function readReply(value: unknown): ListReply<unknown> {
  const reply = (typeof value === 'object' && value !== null ? value : {}) as Partial<ListReply<unknown>> & Partial<ErrorReply>;
  if (reply.apiVersion === 'landfall/v1' && typeof reply.error?.message === 'string') throw new CommandError(reply.error.code === 'badRequest' ? status.usage : status.failed, printable(reply.error.message, 1000));
  if (reply.apiVersion !== 'landfall/v1' || !Array.isArray(reply.items)) throw new ClusterError('what answers there is not landfall\'s API');
  return reply as ListReply<unknown>;
}

function commandErrorOf(error: unknown, node: string): CommandError {
  if (error instanceof CommandError) return new CommandError(error.status, `${printable(node)}: ${error.message}`);
  return new CommandError(status.unreachable, `${printable(node)} can't be asked: ${(error as Error).message}; ${cure}`);
}
