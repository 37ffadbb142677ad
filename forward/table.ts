import { isHostPrefix, prefixAddress, type IpAddress } from '../net/ip.ts';
import { innerTable, noReturnTable, ownMetric, ownProtocol, stragglerProtocol, type EntryId, type KernelEntry } from './entries.ts';
import type { Present } from './reconcile.ts';
import { outText, type Told } from './wire/requests.ts';

/** What is remembered of the kernel's tables at most; a host with more host routes than that is no hypervisor. */
export const tableLimit = 200_000;

/** The kernel's main table and neighbours as last told: our entries, and those of others under ids that we might want. */
export interface KernelTable extends Present {
  readonly own: Map<EntryId, string>;
  readonly foreign: Map<EntryId, number>;
  /** Of our entries, what it takes to remove them. */
  readonly addresses: Map<EntryId, { readonly address: IpAddress; readonly ifindex: number }>;
}

export function newKernelTable(): KernelTable {
  return { own: new Map(), foreign: new Map(), addresses: new Map() };
}

const mainTable = 254;
const entryTypes: ReadonlyMap<number, KernelEntry['type']> = new Map([[mainTable, 'route'], [innerTable, 'inner'], [noReturnTable, 'noReturn']] as const);

/** Files what the kernel told. @returns the id that it concerns, if it may concern us */
export function takeTold(table: KernelTable, told: Told): EntryId | undefined {
  if (told.type === 'route') {
    const { route } = told;
    const type = entryTypes.get(route.table);
    if (type === undefined || !isHostPrefix(route.prefix)) return undefined;
    const id = `${type} ${route.prefix}` as EntryId;
    const late = route.protocol === stragglerProtocol && type === 'route';
    if ((route.protocol === ownProtocol || late) && route.metric === ownMetric) {
      file(table, id, told.present, outText(route.out, late), { address: prefixAddress(route.prefix), ifindex: 0 });
    } else fileForeign(table, id, told.present, route.protocol);
    return id;
  }
  if (told.type !== 'neighbour') return undefined;
  const id = `${told.proxy ? 'proxy' : 'neighbour'} ${told.ifindex} ${told.address}` as EntryId;
  const own = told.protocol === ownProtocol;
  // An entry that the kernel made by itself may be written over; one that it ages is none of ours any more.
  if (told.fixed && own) {
    file(table, id, told.present, told.proxy ? '' : told.mac ?? '?', told);
    fileForeign(table, id, false, 0);
  } else {
    file(table, id, false, '', told);
    fileForeign(table, id, told.fixed && told.present, told.protocol);
  }
  return id;
}

function file(table: KernelTable, id: EntryId, present: boolean, value: string, where: { readonly address: IpAddress; readonly ifindex: number }): void {
  if (!present) {
    table.own.delete(id);
    table.addresses.delete(id);
  } else if (table.own.size < tableLimit) {
    table.own.set(id, value);
    table.addresses.set(id, { address: where.address, ifindex: where.ifindex });
  }
}

function fileForeign(table: KernelTable, id: EntryId, present: boolean, protocol: number): void {
  if (!present) table.foreign.delete(id);
  else if (table.foreign.size < tableLimit) table.foreign.set(id, protocol);
}

