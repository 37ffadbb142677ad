/**
 * What ports brought, filed under keys that their VMs choose; each port has as many places, and pushes out its own oldest entry, never
 * another's. How many there are in all follows from the number of ports.
 */
export interface PortShares<Key, Value> {
  /** By key, then by ifindex; the one who brought it last comes last. */
  readonly byKey: Map<Key, Map<number, Value>>;
  /** The keys of each port, oldest first. */
  readonly byPort: Map<number, Set<Key>>;
}

export function newPortShares<Key, Value>(): PortShares<Key, Value> {
  return { byKey: new Map(), byPort: new Map() };
}

/** @param most places of the port, 1 or more */
export function putShare<Key, Value>(shares: PortShares<Key, Value>, key: Key, ifindex: number, value: Value, most: number): void {
  dropShare(shares, key, ifindex);
  let own = shares.byPort.get(ifindex);
  if (own !== undefined && own.size >= most) {
    for (const oldest of own) {
      dropShare(shares, oldest, ifindex);
      break;
    }
    own = shares.byPort.get(ifindex);
  }
  if (own === undefined) shares.byPort.set(ifindex, new Set([key]));
  else own.add(key);
  const ports = shares.byKey.get(key);
  if (ports === undefined) shares.byKey.set(key, new Map([[ifindex, value]]));
  else ports.set(ifindex, value);
}

/** Takes out what all ports brought under this key, in the order in which they did. */
export function takeShares<Key, Value>(shares: PortShares<Key, Value>, key: Key): Value[] {
  const ports = [...(shares.byKey.get(key) ?? [])];
  for (const [ifindex] of ports) dropShare(shares, key, ifindex);
  return ports.map(([, value]) => value);
}

/** The port is gone. */
export function dropPort<Key, Value>(shares: PortShares<Key, Value>, ifindex: number): void {
  for (const key of [...(shares.byPort.get(ifindex) ?? [])]) dropShare(shares, key, ifindex);
}

function dropShare<Key, Value>({ byKey, byPort }: PortShares<Key, Value>, key: Key, ifindex: number): void {
  const ports = byKey.get(key);
  if (ports?.delete(ifindex) !== true) return;
  if (ports.size === 0) byKey.delete(key);
  const own = byPort.get(ifindex);
  own?.delete(key);
  if (own?.size === 0) byPort.delete(ifindex);
}
