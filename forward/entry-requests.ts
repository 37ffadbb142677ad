import { prefixAddress } from '../net/ip.ts';
import { innerTable, noReturnTable, ownProtocol, stragglerProtocol, type EntryId, type KernelEntry } from './entries.ts';
import type { KernelTable } from './table.ts';
import { encodeNeighbour, encodeNeighbourRemoval, encodeProxy, encodeRoute, encodeRouteRemoval, isLate, outText, type RouteOut } from './wire/requests.ts';

/** The value of an entry that is a route, as the table keeps it. */
export function routeText(entry: KernelEntry, out: RouteOut): string {
  return outText(out, entry.type === 'route' && entry.to.type === 'straggler');
}

/** The request that puts an entry there; the table has it from then on. @param out where a route leads */
export function addEntry(table: KernelTable, request: number, id: EntryId, entry: KernelEntry, out: RouteOut | undefined): Uint8Array {
  const { own, addresses } = table;
  own.set(id, 'prefix' in entry ? routeText(entry, out as RouteOut) : entry.type === 'neighbour' ? entry.mac : '');
  if ('prefix' in entry) {
    addresses.set(id, { address: prefixAddress(entry.prefix), ifindex: 0 });
    if (entry.type !== 'route') return encodeRoute(request, entry.prefix, out as RouteOut, { table: entry.type === 'inner' ? innerTable : noReturnTable });
    return encodeRoute(request, entry.prefix, out as RouteOut, entry.to.type === 'straggler' ? { source: entry.to.source, protocol: stragglerProtocol } : {});
  }
  addresses.set(id, { address: entry.address, ifindex: entry.ifindex });
  if (entry.type === 'neighbour') return encodeNeighbour(request, entry);
  return encodeProxy(request, entry.address, entry.ifindex, true);
}

/** The request that takes an entry away; the table does not have it from then on. */
export function removeEntry(table: KernelTable, request: number, id: EntryId): Uint8Array | undefined {
  const { own, addresses } = table;
  const where = addresses.get(id);
  const protocol = isLate(own.get(id) ?? '') ? stragglerProtocol : ownProtocol;
  own.delete(id);
  addresses.delete(id);
  if (where === undefined) return undefined;
  if (id.startsWith('route ')) return encodeRouteRemoval(request, id.slice(6) as never, undefined, protocol);
  if (id.startsWith('noReturn ')) return encodeRouteRemoval(request, id.slice(9) as never, noReturnTable);
  if (id.startsWith('inner ')) return encodeRouteRemoval(request, id.slice(6) as never, innerTable);
  return id.startsWith('proxy ') ? encodeProxy(request, where.address, where.ifindex, false) : encodeNeighbourRemoval(request, where.address, where.ifindex);
}
