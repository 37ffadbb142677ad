import { hostname } from 'node:os';
import { isHostPrefix, hostPrefix, parseIp, parsePrefix } from '../../net/ip.ts';
import { judgeCanary, whyNoCanary, type CanaryView } from '../doctor/canary.ts';
import type { BindingItem, FindingItem, PeerItem, PrefixItem, ReceivedItem } from '../views/items.ts';
import { findingsView } from '../views/findings.ts';
import { ask, printReply } from './ask.ts';
import { CommandError, say, status, type GlobalOptions } from './global.ts';

const defaultForMs = 60_000;
const lookEveryMs = 250;
/** Once every router has shown what there is to see, the other node still has to see ours. */
const lingerMs = 5000;

/**
 * `doctor --canary`: announces one unused address by hand and says what each router shows of it. Run on two nodes in turn it shows, before
 * any VM depends on it, that the newer claim wins. The address is given back in every case, also on Ctrl-C.
 */
export async function runCanary(options: GlobalOptions, text: string, forMs = defaultForMs): Promise<number> {
  const prefix = readPrefix(text);
  const address = prefix.slice(0, prefix.lastIndexOf('/'));
  let node = hostname();
  const list = async <Item>(path: string, query: Readonly<Record<string, string>> = {}): Promise<Item[]> => {
    const reply = await ask(options, path, query);
    node = reply.node;
    return reply.items as Item[];
  };
  const [bindings, prefixes, before] = [await list<BindingItem>('/v1/bindings'), await list<PrefixItem>('/v1/prefixes', { prefix }), await list<ReceivedItem>('/v1/received', { prefix })];
  const why = whyNoCanary({ prefix, bindings, prefixes, received: before });
  if (why !== undefined) throw new CommandError(status.failed, `${prefix} is not taken as a canary: ${why}; name an unused address inside watch.prefixes`);
  const rivals = new Map<string, number>();
  const noteRivals = (received: readonly ReceivedItem[]): void => {
    for (const item of received) if (item.kind.startsWith('rival') && item.sequence !== undefined) rivals.set(item.peer, item.sequence);
  };
  noteRivals(before);

  let stopped = false;
  const stop = (): void => { stopped = true; };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  let views: CanaryView[] = [];
  try {
    await ask(options, '/v1/announce', {}, { address });
    say(options, `${prefix} is announced by hand from this node for at most ${Math.round(forMs / 1000)} s; Ctrl-C ends it. Now run the same on another node.`);
    const begun = performance.now();
    let settledAt = Infinity;
    const shown = new Map<string, string>();
    while (!stopped) {
      const now = performance.now();
      const [mine] = await list<PrefixItem>('/v1/prefixes', { prefix });
      if (mine === undefined || mine.state !== 'manual') throw new CommandError(status.failed, `${prefix} is ${mine?.state ?? 'gone'} here: somebody else gave it back`);
      const received = await list<ReceivedItem>('/v1/received', { prefix });
      const peers = (await list<PeerItem>('/v1/peers')).filter((peer) => peer.vrf === mine.vrf);
      views = peers.map((peer) => {
        const rivalSeen = rivals.get(peer.name);
        return judgeCanary({
          prefix, sequence: mine.sequence ?? 0, seconds: (now - begun) / 1000, peer, sent: mine.peers.names.includes(peer.name), received, ...(rivalSeen === undefined ? {} : { rivalSeen }),
        });
      });
      noteRivals(received);
      for (const { peer, text: seen, result } of views) {
        const line = `${peer}: ${seen.replace(/\(?\d+\.\d s\)?/g, '')}`;
        if (shown.get(peer) !== line) say(options, `${((now - begun) / 1000).toFixed(1).padStart(5)} s  ${result.padEnd(7)} ${peer} ${seen}`);
        shown.set(peer, line);
      }
      // A router that shows our claim back says nothing yet of another node's.
      const decided = views.length > 0 && views.every(({ isDecided }) => isDecided);
      settledAt = decided ? Math.min(settledAt, now) : Infinity;
      if (now - begun >= forMs || now - settledAt >= lingerMs) break;
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    await giveBack(options, address);
  }
  const items = views.map(({ peer, result, text: seen }): FindingItem => ({ result: result === 'waiting' ? 'skip' : result, topic: 'canary', text: `${peer} ${seen}` }));
  await printReply(options, { apiVersion: 'landfall/v1', kind: 'FindingList', node, time: new Date().toISOString(), items }, findingsView(options.color));
  return items.some(({ result }) => result === 'fail') || items.length === 0 ? status.failed : 0;
}

async function giveBack(options: GlobalOptions, address: string): Promise<void> {
  try {
    await ask(options, '/v1/auto', {}, { address });
    say(options, `${address} is given back`);
  } catch (error) {
    say(options, `landfall: ${address} may still be announced by hand: ${(error as Error).message}; give it back with: landfall auto ${address}`);
  }
}

function readPrefix(text: string): string {
  const address = parseIp(text);
  const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address);
  if (prefix === undefined || !isHostPrefix(prefix)) throw new CommandError(status.usage, 'the canary must be one address: a /32 or /128 inside watch.prefixes that nobody uses');
  return prefix;
}
