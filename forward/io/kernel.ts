import { openNetlinkSocket, type NetlinkSocket } from '../../native/index.ts';
import type { IpAddress } from '../../net/ip.ts';
import { entryText, ownProtocol, type EntryId, type KernelChange } from '../entries.ts';
import { newKernelTable, takeTold, type KernelTable } from '../table.ts';
import { decodeTold, encodeTableDump, groups, isLate, tables, type NeighbourOut, type Told } from '../wire/requests.ts';
import { openWriter, type Holdings } from './writer.ts';

/** Room for the acknowledgements of some thousand requests. */
const receiveBufferBytes = 4 * 1024 * 1024;
/** The tables are read anew this often, and this long after something changed that the kernel does not tell in full. */
const readEveryMs = 30_000;
const readSoonMs = 300;

/** So often between two readings. */
const repairsAtMost = 5;

export interface Kernel {
  /** What is wanted changes. All of it is with the kernel when this returns. */
  apply(changes: readonly KernelChange[]): void;
  /** Entries of the kernel's own neighbour table, written as if they had just been heard. */
  refresh(neighbours: readonly NeighbourOut[]): void;
  /** Stragglers: makes this node's end of the tunnel between nodes, at this address of its own. */
  prepareTunnel(local: IpAddress): void;
  /** Another node's end of it: what is sent there later waits for nothing. */
  prepareEnd(endpoint: IpAddress): void;
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
 * @param stragglers how late packets are sent on, and how long at most, in milliseconds
 */
export function openKernel(onProblem: (text: string) => void, stragglers: { readonly mode: 'auto' | 'on-link' | 'vxlan'; readonly ceilingMs: number }): Kernel {
  const holdings: Holdings = { wanted: new Map(), table: newKernelTable(), leftoversStay: true, refused: new Map() };
  const { wanted, refused } = holdings;
  /** The tables that are being read, and the requests that read them. */
  let reading: { readonly table: KernelTable; request: number } | undefined;
  let requests = 0;
  let soon: NodeJS.Timeout | undefined;
  const said = new Set<string>();
  const broken = new Set<EntryId>();
  const repairs = new Map<EntryId, number>();
  let socket: NetlinkSocket | undefined;

  const say = (text: string): void => {
    if (said.has(text) || said.size > 100) return;
    said.add(text);
    onProblem(text);
  };
  const nextRequest = (): number => (requests += 1);
  const writer = openWriter({ holdings, socket: () => socket, nextRequest, stragglers: stragglers.mode, say, onFailure: () => readLater(readSoonMs) });

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

  function takeOne(request: number, ours: boolean, told: Told): void {
    if (ours && request === reading?.request) {
      if (told.type === 'done') reading.request = -1;
      else takeTold(reading.table, told);
    } else if (ours) {
      writer.take(request, told);
    } else if (told.type === 'interface') {
      readLater(readSoonMs); // IPv4 routes of an interface that goes down vanish without a word
    } else {
      if (told.type === 'route') writer.forgetNextHops();
      const id = takeTold(holdings.table, told);
      if (id !== undefined && writer.needs(id) !== 'none') repairSoon(id);
    }
  }

  /** What somebody deleted comes back at once; somebody who goes on deleting wins until the tables are read anew. */
  function repairSoon(id: EntryId): void {
    const times = (repairs.get(id) ?? 0) + 1;
    repairs.set(id, times);
    if (times > repairsAtMost) return;
    if (broken.size === 0) setImmediate(() => { const ids = [...broken]; broken.clear(); writer.perform(ids); });
    broken.add(id);
  }

  /** Reads the tables whole, and puts right what differs. */
  function read(): void {
    clearTimeout(soon);
    soon = undefined;
    if (socket === undefined) return;
    socket.drain();
    writer.forgetNextHops();
    repairs.clear();
    const fresh = newKernelTable();
    for (const name of tables) {
      reading = { table: fresh, request: nextRequest() };
      socket.send(encodeTableDump(reading.request, name));
      socket.drain();
      const whole = reading.request === -1;
      reading = undefined;
      if (!whole) return readLater(readSoonMs);
    }
    holdings.table = fresh;
    writer.forgetRequests();
    writer.perform(holdings.leftoversStay ? [...wanted.keys()] : new Set([...wanted.keys(), ...fresh.own.keys()]));
  }

  function readLater(ms: number): void {
    soon ??= setTimeout(read, ms);
  }

  /** Routes for late packets that a life before left, and what answers ARP and ND with them, unless this life wants the same. */
  function removeLate(): void {
    const { own, addresses } = holdings.table;
    const late = [...own].filter(([id, value]) => isLate(value) && !wanted.has(id)).map(([id]) => id);
    const at = new Set(late.map((id) => addresses.get(id)?.address));
    const proxies = [...own.keys()].filter((id) => id.startsWith('proxy ') && !wanted.has(id) && at.has(addresses.get(id)?.address));
    writer.perform([...late, ...proxies]);
  }

  open();
  read();
  const ceiling = setTimeout(removeLate, stragglers.ceilingMs).unref();
  const regular = setInterval(read, readEveryMs);
  regular.unref();
  return {
    apply(changes) {
      for (const { id, entry } of changes) {
        if (entry === undefined) wanted.delete(id);
        else wanted.set(id, entry);
        refused.delete(id);
      }
      writer.perform(changes.map(({ id }) => id));
    },
    refresh: (neighbours) => writer.refresh(neighbours),
    prepareTunnel: (local) => writer.prepareTunnel(local),
    prepareEnd: (endpoint) => writer.prepareEnd(endpoint),
    removeLeftovers() {
      holdings.leftoversStay = false;
      writer.perform([...holdings.table.own.keys()].filter((id) => !wanted.has(id)));
    },
    problems() {
      const { foreign } = holdings.table;
      const texts: string[] = [];
      for (const [id, entry] of wanted) if (foreign.has(id)) texts.push(`${entryText(entry)} is somebody else's (protocol ${foreign.get(id)}, ours is ${ownProtocol}): left alone`);
      for (const [id, why] of refused) texts.push(`the kernel does not have ${id}: ${why}`);
      return texts.length <= 5 ? texts : [...texts.slice(0, 5), `${texts.length - 5} more kernel entries are missing`];
    },
    close(remove) {
      clearInterval(regular);
      clearTimeout(soon);
      clearTimeout(ceiling);
      if (!remove) removeLate();
      else {
        wanted.clear();
        holdings.leftoversStay = false;
        read();
      }
      writer.close(remove);
      socket?.close();
      socket = undefined;
      broken.clear();
    },
  };
}
