import type { NetlinkSocket } from '../../native/index.ts';
import { isIpv4, type IpAddress } from '../../net/ip.ts';
import { entryText, type EntryId, type KernelEntry } from '../entries.ts';
import { addEntry, removeEntry, routeText } from '../entry-requests.ts';
import { actionFor, type Action } from '../reconcile.ts';
import type { KernelTable } from '../table.ts';
import { encodeNeighbourRefresh, type NeighbourOut, type RouteOut, type Told } from '../wire/requests.ts';
import { encodeNameQuestion, encodeRule } from '../wire/rules.ts';
import { openFabricRules } from './fabric-rules.ts';
import { openNextHops } from './next-hops.ts';
import { openProxyNdp } from './proxy-ndp.ts';

/** Requests share a system call up to this size. */
const chunkOctets = 16 * 1024;

const EPERM = 1;
const ENOENT = 2;
const ESRCH = 3;
const EEXIST = 17;

/** What the kernel is to have, what it has as last told, and what it refused. */
export interface Holdings {
  readonly wanted: Map<EntryId, KernelEntry>;
  table: KernelTable;
  /** What a life before left, and nobody wants, is not touched yet. */
  leftoversStay: boolean;
  /** Why an entry is not there. */
  readonly refused: Map<EntryId, string>;
}

/** Turns what is wanted into requests, many to a system call. */
export interface Writer {
  /** Puts right what differs under these ids. */
  perform(ids: Iterable<EntryId>): void;
  /** What an entry needs, as far as that can be told without asking the kernel. */
  needs(id: EntryId): Action;
  refresh(neighbours: readonly NeighbourOut[]): void;
  /** The answer to a request of ours. */
  take(request: number, told: Told): void;
  /** Routes have changed: next hops are looked up anew. */
  forgetNextHops(): void;
  /** The tables were read: what was asked for before is in them. */
  forgetRequests(): void;
  prepareTunnel(local: IpAddress): void;
  prepareEnd(endpoint: IpAddress): void;
  close(remove: boolean): void;
}

/**
 * @param nextRequest a number for a request
 * @param say words for the log, once each
 * @param onFailure a request could not be sent
 */
export function openWriter(options: {
  readonly holdings: Holdings;
  readonly socket: () => NetlinkSocket | undefined;
  readonly nextRequest: () => number;
  readonly stragglers: 'auto' | 'on-link' | 'vxlan';
  readonly say: (text: string) => void;
  readonly onFailure: () => void;
}): Writer {
  const { holdings, socket, nextRequest, stragglers, say } = options;
  const { wanted, refused } = holdings;
  const sent = new Map<number, { readonly id: EntryId; readonly action: Action }>();
  const proxyNdp = openProxyNdp(say);
  let asked = 0;
  let answered: Told | undefined;
  const hops = openNextHops(ask, stragglers, say);
  const ruling = new Map<number, boolean>();
  const rules = openFabricRules({
    towards: (address) => hops.interfaceTowards(address),
    nameOf: (ifindex) => {
      const told = ask((request) => encodeNameQuestion(request, ifindex));
      return told?.type === 'interface' ? told.name : undefined;
    },
    write: (rule, remove) => {
      const request = nextRequest();
      ruling.set(request, remove);
      send([encodeRule(request, rule, remove)]);
    },
    say,
  });

  function take(request: number, told: Told): void {
    if (request === asked && asked !== 0) answered = told;
    else if (told.type === 'error' && ruling.has(request)) acknowledgeRule(request, told.errno);
    else if (told.type === 'error') acknowledge(request, told.errno);
  }

  function acknowledge(request: number, errno: number): void {
    const known = sent.get(request);
    sent.delete(request);
    if (known === undefined) return;
    const { id, action } = known;
    if (errno === 0 || (action === 'remove' && (errno === ENOENT || errno === ESRCH))) {
      refused.delete(id);
      return;
    }
    if (action !== 'remove') holdings.table.own.delete(id);
    refused.set(id, `errno ${errno}`);
    say(errno === EPERM ? 'the kernel refuses routes and neighbours: CAP_NET_ADMIN is missing' : `the kernel refuses ${action} of ${id.split(' ')[0]} entries: errno ${errno}`);
  }

  function acknowledgeRule(request: number, errno: number): void {
    const remove = ruling.get(request) === true;
    ruling.delete(request);
    if (errno !== 0 && errno !== EEXIST && !remove) say(`a rule for what comes from the fabric can't be made: errno ${errno}; packets for VMs elsewhere may go back there`);
  }

  /** Asks the kernel, and waits for the answer, which is there at once. */
  function ask(encode: (request: number) => Uint8Array): Told | undefined {
    asked = nextRequest();
    answered = undefined;
    socket()?.send(encode(asked));
    socket()?.drain();
    asked = 0;
    return answered;
  }

  function outOf(entry: KernelEntry): RouteOut | undefined {
    if (entry.type === 'inner') return { type: 'link', ifindex: entry.ifindex };
    if (entry.type === 'noReturn') return { type: 'blackhole' };
    return entry.type === 'route' ? hops.outOf(entry.to, isIpv4(entry.prefix)) : undefined;
  }

  function valueOf(entry: KernelEntry | undefined, out: RouteOut | undefined): string | undefined {
    return entry?.type === 'route' || entry?.type === 'noReturn' ? (out === undefined ? undefined : routeText(entry, out)) : undefined;
  }

  function needs(id: EntryId): Action {
    const entry = wanted.get(id);
    const { table } = holdings;
    // A next hop is not asked for while messages are being read.
    if (entry?.type === 'route' && (entry.to.type === 'nextHop' || entry.to.type === 'straggler')) return table.own.has(id) && !table.foreign.has(id) ? 'none' : 'add';
    return entry === undefined && holdings.leftoversStay ? 'none' : actionFor(id, entry, valueOf(entry, entry === undefined ? undefined : outOf(entry)), table);
  }

  function requestFor(id: EntryId): Uint8Array | undefined {
    const entry = wanted.get(id);
    const { table } = holdings;
    if (entry?.type === 'noReturn') rules.keep(entry);
    const out = entry === undefined ? undefined : outOf(entry);
    if (entry?.type === 'route' && out === undefined) {
      refused.set(id, 'no route to its next hop');
      say(`no route to next hop ${entry.to.type === 'nextHop' ? entry.to.address : entry.to.type === 'straggler' ? entry.to.endpoint : ''}: VMs behind it are not reached by this node`);
      return undefined;
    }
    const action = actionFor(id, entry, valueOf(entry, out), table);
    if (action === 'none') return undefined;
    if (action === 'conflict') {
      if (entry !== undefined) say(`${entryText(entry)} is somebody else's (protocol ${table.foreign.get(id)}): left alone`);
      return undefined;
    }
    const request = nextRequest();
    sent.set(request, { id, action });
    if (action === 'remove') return removeEntry(table, request, id);
    refused.delete(id);
    if (entry?.type === 'proxy' && !isIpv4(entry.address)) proxyNdp.enable(entry.ifname);
    return addEntry(table, request, id, entry as KernelEntry, out);
  }

  function send(chunk: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(chunk.reduce((sum, message) => sum + message.length, 0));
    let at = 0;
    for (const message of chunk) {
      bytes.set(message, at);
      at += message.length;
    }
    try {
      socket()?.send(bytes);
    } catch (error) {
      say(`kernel tables: ${(error as Error).message}`);
      options.onFailure();
    }
    if (sent.size > 64) socket()?.drain();
  }

  /** Everything is with the kernel when this returns. */
  function sendAll<T>(items: Iterable<T>, encode: (item: T) => Uint8Array | undefined): void {
    let chunk: Uint8Array[] = [];
    let octets = 0;
    for (const item of items) {
      const message = encode(item);
      if (message === undefined) continue;
      chunk.push(message);
      octets += message.length;
      if (octets <= chunkOctets) continue;
      send(chunk);
      chunk = [];
      octets = 0;
    }
    if (chunk.length > 0) send(chunk);
  }

  return {
    needs, take,
    perform(ids) {
      sendAll(ids, requestFor);
    },
    refresh(neighbours) {
      sendAll(neighbours, (neighbour) => {
        const id = `neighbour ${neighbour.ifindex} ${neighbour.address}` as EntryId;
        if (holdings.table.foreign.has(id) || holdings.table.own.has(id)) return undefined;
        const request = nextRequest();
        sent.set(request, { id, action: 'replace' });
        return encodeNeighbourRefresh(request, neighbour);
      });
    },
    forgetNextHops: () => hops.forget(),
    forgetRequests() {
      sent.clear();
      ruling.clear();
      rules.forget();
    },
    prepareTunnel: (local) => hops.prepareTunnel(local),
    prepareEnd: (endpoint) => hops.prepareEnd(endpoint),
    close(remove) {
      if (remove) proxyNdp.restore();
      if (remove) rules.remove();
      hops.close(remove);
    },
  };
}
