import { writeFileSync, readFileSync } from 'node:fs';
import { openNetlinkSocket, type NetlinkSocket } from '../../native/index.ts';
import type { IpAddress } from '../../net/ip.ts';
import { isIpv4, prefixAddress } from '../../net/ip.ts';
import { entryText, ownProtocol, type EntryId, type KernelChange, type KernelEntry } from '../entries.ts';
import { actionFor, type Action } from '../reconcile.ts';
import { newKernelTable, takeTold, type KernelTable } from '../table.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import {
  decodeTold, encodeLookup, encodeNeighbour, encodeNeighbourRefresh, encodeNeighbourRemoval, encodeProxy, encodeRoute, encodeRouteRemoval,
  encodeTableDump, groups, outText, tables, type NeighbourOut, type RouteOut, type Told,
} from '../wire/requests.ts';

/** Room for the acknowledgements of some thousand requests. */
const receiveBufferBytes = 4 * 1024 * 1024;
/** Requests share a system call up to this size. */
const chunkOctets = 16 * 1024;
/** The tables are read anew this often, and this long after something changed that the kernel does not tell in full. */
const readEveryMs = 30_000;
const readSoonMs = 300;

/** So often between two readings. */
const repairsAtMost = 5;

const EPERM = 1;
const ENOENT = 2;
const ESRCH = 3;

export interface Kernel {
  /** What is wanted changes. All of it is with the kernel when this returns. */
  apply(changes: readonly KernelChange[]): void;
  /** Entries of the kernel's own neighbour table, written as if they had just been heard. */
  refresh(neighbours: readonly NeighbourOut[]): void;
  /** Stragglers: makes this node's end of the tunnel between nodes, at this address of its own. */
  prepareTunnel(local: IpAddress): void;
  /** From now on what a life before left, and nobody wants, goes. */
  removeLeftovers(): void;
  /** What is wanted and somebody else has, and what the kernel refused, in words. */
  problems(): string[];
  /** @param remove a stop for good: all that is ours goes */
  close(remove: boolean): void;
}

/**
 * The only place that changes the host: keeps the kernel's tables as they are wanted. @throws SystemError if the socket can't be opened
 * @param onProblem said once for each kind of refusal, for the log
 */
export function openKernel(onProblem: (text: string) => void, stragglers: 'auto' | 'on-link' | 'vxlan' = 'on-link'): Kernel {
  const wanted = new Map<EntryId, KernelEntry>();
  let table = newKernelTable();
  /** The tables that are being read, and the requests that read them. */
  let reading: { readonly table: KernelTable; sequence: number } | undefined;
  let leftoversStay = true;
  let sequence = 1;
  let answered: Told | undefined;
  let asked = 0;
  let soon: NodeJS.Timeout | undefined;
  const sent = new Map<number, { readonly id: EntryId; readonly action: Action }>();
  const gateways = new Map<string, RouteOut | undefined>();
  const refused = new Map<EntryId, string>();
  const proxyNdp = new Map<string, string>();
  const said = new Set<string>();
  const broken = new Set<EntryId>();
  const repairs = new Map<EntryId, number>();
  let socket: NetlinkSocket | undefined;
  let tunnel: Tunnel | undefined;

  const say = (text: string): void => {
    if (said.has(text) || said.size > 100) return;
    said.add(text);
    onProblem(text);
  };

  function open(): void {
    socket = openNetlinkSocket({
      groups: Object.values(groups), receiveBufferBytes, onData: take,
      onError: (error) => {
        if (error.code !== 'ENOBUFS') onProblem(`kernel tables: ${error.message}`);
        readLater(0); // events were lost
      },
    });
  }

  function take(datagram: Uint8Array): void {
    try {
      for (const { header, told } of decodeTold(datagram)) takeOne(header.sequence, header.port === socket?.port, told);
    } catch (error) {
      if ((error as Error).name !== 'MalformedNetlink') throw error;
      readLater(readSoonMs);
    }
  }

  function takeOne(number: number, ours: boolean, told: Told): void {
    if (ours && number === asked && asked !== 0) {
      answered = told;
    } else if (ours && number === reading?.sequence) {
      if (told.type === 'done') reading.sequence = -1;
      else takeTold(reading.table, told);
    } else if (ours) {
      if (told.type === 'error') acknowledge(number, told.errno);
    } else if (told.type === 'interface') {
      readLater(readSoonMs); // IPv4 routes of an interface that goes down vanish without a word
    } else {
      if (told.type === 'route') gateways.clear();
      const id = takeTold(table, told);
      if (id !== undefined && needs(id) !== 'none') repairSoon(id);
    }
  }

  /** What somebody deleted comes back at once; somebody who goes on deleting wins until the tables are read anew. */
  function repairSoon(id: EntryId): void {
    const times = (repairs.get(id) ?? 0) + 1;
    repairs.set(id, times);
    if (times > repairsAtMost) return;
    if (broken.size === 0) setImmediate(() => { const ids = [...broken]; broken.clear(); perform(ids); });
    broken.add(id);
  }

  function acknowledge(number: number, errno: number): void {
    const request = sent.get(number);
    sent.delete(number);
    if (request === undefined) return;
    const { id, action } = request;
    if (errno === 0 || (action === 'remove' && (errno === ENOENT || errno === ESRCH))) {
      refused.delete(id);
      return;
    }
    if (action !== 'remove') table.own.delete(id);
    refused.set(id, `errno ${errno}`);
    say(errno === EPERM ? 'the kernel refuses routes and neighbours: CAP_NET_ADMIN is missing' : `the kernel refuses ${action} of ${id.split(' ')[0]} entries: errno ${errno}`);
  }

  /** By which gateway the kernel reaches a next hop; `undefined` when it does not. */
  function resolve(address: IpAddress, ifindex: number | undefined): RouteOut | undefined {
    if (ifindex !== undefined) return { type: 'gateway', gateway: address, ifindex };
    if (gateways.has(address)) return gateways.get(address);
    asked = sequence++;
    answered = undefined;
    socket?.send(encodeLookup(asked, address));
    socket?.drain();
    asked = 0;
    const told = answered as Told | undefined;
    const out = told?.type === 'route' ? told.route.out : undefined;
    const hop: RouteOut | undefined = out?.type === 'link' ? { type: 'gateway', gateway: address, ifindex: out.ifindex } : out;
    gateways.set(address, hop);
    return hop;
  }

  /** A plain next hop would loop through a router that has not converged, so it serves on the link alone. */
  function onward(endpoint: IpAddress, ipv4: boolean): RouteOut | undefined {
    const hop = stragglers === 'vxlan' || isIpv4(endpoint) !== ipv4 ? undefined : resolve(endpoint, undefined);
    if (hop?.type === 'gateway' && hop.gateway === endpoint) return hop;
    return tunnel?.to(endpoint);
  }

  function outOf(entry: KernelEntry): RouteOut | undefined {
    if (entry.type !== 'route') return undefined;
    if (entry.to.type === 'straggler') return onward(entry.to.endpoint, isIpv4(entry.prefix));
    return entry.to.type === 'nextHop' ? resolve(entry.to.address, entry.to.ifindex) : entry.to;
  }

  function valueOf(entry: KernelEntry | undefined, out: RouteOut | undefined): string | undefined {
    return entry?.type === 'route' ? (out === undefined ? undefined : outText(out)) : undefined;
  }

  function needs(id: EntryId): Action {
    const entry = wanted.get(id);
    // A next hop is not asked for while messages are being read.
    if (entry?.type === 'route' && (entry.to.type === 'nextHop' || entry.to.type === 'straggler')) return table.own.has(id) && !table.foreign.has(id) ? 'none' : 'add';
    return entry === undefined && leftoversStay ? 'none' : actionFor(id, entry, valueOf(entry, entry === undefined ? undefined : outOf(entry)), table);
  }

  function requestFor(id: EntryId): Uint8Array | undefined {
    const entry = wanted.get(id);
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
    const number = sequence++;
    sent.set(number, { id, action });
    if (action === 'remove') return removal(number, id);
    return addition(number, id, entry as KernelEntry, out);
  }

  function addition(number: number, id: EntryId, entry: KernelEntry, out: RouteOut | undefined): Uint8Array {
    refused.delete(id);
    table.own.set(id, entry.type === 'route' ? outText(out as RouteOut) : entry.type === 'neighbour' ? entry.mac : '');
    if (entry.type === 'route') {
      table.addresses.set(id, { address: prefixAddress(entry.prefix), ifindex: 0 });
      return encodeRoute(number, entry.prefix, out as RouteOut);
    }
    table.addresses.set(id, { address: entry.address, ifindex: entry.ifindex });
    if (entry.type === 'neighbour') return encodeNeighbour(number, entry);
    if (!isIpv4(entry.address)) enableProxyNdp(entry.ifname);
    return encodeProxy(number, entry.address, entry.ifindex, true);
  }

  function removal(number: number, id: EntryId): Uint8Array | undefined {
    const where = table.addresses.get(id);
    table.own.delete(id);
    table.addresses.delete(id);
    if (where === undefined) return undefined;
    if (id.startsWith('route ')) return encodeRouteRemoval(number, id.slice(6) as never);
    return id.startsWith('proxy ') ? encodeProxy(number, where.address, where.ifindex, false) : encodeNeighbourRemoval(number, where.address, where.ifindex);
  }

  /** Without it the kernel keeps IPv6 proxy entries and answers nobody. What it was comes back at a stop for good. */
  function enableProxyNdp(ifname: string): void {
    const file = `/proc/sys/net/ipv6/conf/${ifname}/proxy_ndp`;
    if (proxyNdp.has(file) || ifname.includes('/')) return;
    try {
      const before = readFileSync(file, 'utf8').trim();
      proxyNdp.set(file, before);
      if (before !== '1') writeFileSync(file, '1');
    } catch (error) {
      proxyNdp.set(file, '1');
      say(`${file} can't be set to 1 (${(error as Error).message}): VMs here don't find IPv6 neighbours that moved away`);
    }
  }

  function perform(ids: Iterable<EntryId>): void {
    let chunk: Uint8Array[] = [];
    let octets = 0;
    const flush = (): void => {
      if (octets === 0) return;
      const bytes = new Uint8Array(octets);
      let at = 0;
      for (const message of chunk) {
        bytes.set(message, at);
        at += message.length;
      }
      chunk = [];
      octets = 0;
      try {
        socket?.send(bytes);
      } catch (error) {
        say(`kernel tables: ${(error as Error).message}`);
        readLater(readSoonMs);
      }
      if (sent.size > 64) socket?.drain();
    };
    for (const id of ids) {
      const message = requestFor(id);
      if (message === undefined) continue;
      chunk.push(message);
      octets += message.length;
      if (octets > chunkOctets) flush();
    }
    flush();
  }

  /** Reads the tables whole, and puts right what differs. */
  function read(): void {
    clearTimeout(soon);
    soon = undefined;
    if (socket === undefined) return;
    socket.drain();
    gateways.clear();
    repairs.clear();
    const fresh = newKernelTable();
    for (const name of tables) {
      reading = { table: fresh, sequence: sequence++ };
      socket.send(encodeTableDump(reading.sequence, name));
      socket.drain();
      const whole = reading.sequence === -1;
      reading = undefined;
      if (!whole) return readLater(readSoonMs);
    }
    table = fresh;
    sent.clear();
    const all = leftoversStay ? wanted.keys() : new Set([...wanted.keys(), ...table.own.keys()]);
    perform([...all]);
  }

  function readLater(ms: number): void {
    soon ??= setTimeout(read, ms);
  }

  open();
  read();
  const regular = setInterval(read, readEveryMs);
  regular.unref();
  return {
    apply(changes) {
      for (const { id, entry } of changes) {
        if (entry === undefined) wanted.delete(id);
        else wanted.set(id, entry);
        refused.delete(id);
      }
      perform(changes.map(({ id }) => id));
    },
    refresh(neighbours) {
      for (const neighbour of neighbours) {
        const id = `neighbour ${neighbour.ifindex} ${neighbour.address}` as EntryId;
        if (table.foreign.has(id) || table.own.has(id)) continue;
        const number = sequence++;
        sent.set(number, { id, action: 'replace' });
        socket?.send(encodeNeighbourRefresh(number, neighbour));
      }
    },
    prepareTunnel(local) {
      if (stragglers !== 'on-link') tunnel ??= openTunnel(local, say);
    },
    removeLeftovers() {
      leftoversStay = false;
      perform([...table.own.keys()].filter((id) => !wanted.has(id)));
    },
    problems() {
      const texts: string[] = [];
      for (const [id, entry] of wanted) if (table.foreign.has(id)) texts.push(`${entryText(entry)} is somebody else's (protocol ${table.foreign.get(id)}, ours is ${ownProtocol}): left alone`);
      for (const [id, why] of refused) texts.push(`the kernel does not have ${id}: ${why}`);
      return texts.length <= 5 ? texts : [...texts.slice(0, 5), `${texts.length - 5} more kernel entries are missing`];
    },
    close(remove) {
      clearInterval(regular);
      clearTimeout(soon);
      if (remove) {
        wanted.clear();
        leftoversStay = false;
        read();
        for (const [file, before] of proxyNdp) if (before !== '1') try { writeFileSync(file, before); } catch { /* the bridge is gone */ }
      }
      if (remove) tunnel?.remove();
      tunnel?.close();
      socket?.close();
      socket = undefined;
      broken.clear();
    },
  };
}
