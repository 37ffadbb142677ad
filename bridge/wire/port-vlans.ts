import type { Link, VlanRange } from '../ports.ts';

/** The VLANs of one port: those whose frames its bridge lets in, and the one (if any) that untagged frames belong to. */
export interface PortVlans {
  readonly pvid?: number;
  readonly vlans: readonly VlanRange[];
}

/** One entry of RTM_NEWVLAN or RTM_DELVLAN: a VLAN or a range of them. The kernel gives a PVID an entry of its own. */
export interface VlanEntry {
  readonly range: VlanRange;
  readonly pvid: boolean;
}

/** In order, neighbours joined: the kernel splits a range where flags differ that do not matter here. */
export function joinRanges(ranges: readonly VlanRange[]): VlanRange[] {
  const joined: VlanRange[] = [];
  for (const [low, high] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = joined.at(-1);
    if (last !== undefined && low <= last[1] + 1) joined[joined.length - 1] = [last[0], Math.max(last[1], high)];
    else joined.push([low, high]);
  }
  return joined;
}

function withoutRange(ranges: readonly VlanRange[], [low, high]: VlanRange): VlanRange[] {
  return ranges.flatMap(([from, to]) => {
    const left: VlanRange[] = [];
    if (from < low) left.push([from, Math.min(to, low - 1)]);
    if (to > high) left.push([Math.max(from, high + 1), to]);
    return left;
  });
}

/** The VLANs of a port after RTM_NEWVLAN (`present`) or RTM_DELVLAN. A VLAN that is told without the PVID flag is not the PVID (any more). */
export function changeVlans(before: PortVlans, entries: readonly VlanEntry[], present: boolean): PortVlans {
  let { pvid, vlans } = before;
  for (const { range, pvid: isPvid } of entries) {
    vlans = present ? joinRanges([...vlans, range]) : withoutRange(vlans, range);
    if (present && isPvid) pvid = range[0];
    else if (pvid !== undefined && range[0] <= pvid && pvid <= range[1]) pvid = undefined;
  }
  return pvid === undefined ? { vlans } : { pvid, vlans };
}

function areSame(a: PortVlans | undefined, b: PortVlans | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.pvid === b.pvid && a.vlans.length === b.vlans.length && a.vlans.every(([low, high], i) => low === b.vlans[i]?.[0] && high === b.vlans[i]?.[1]);
}

/**
 * Links as last told, put together from messages that each tell a part: the link itself (AF_UNSPEC), the VLANs of a port (AF_BRIDGE),
 * and whether its bridge filters VLANs (the bridge's own link). Each method gives the links that are to be told (again).
 */
export interface LinkTable {
  clear(): void;
  all(): Link[];
  /** O(1), except for a bridge that begins or ceases to filter: all its ports are told then. */
  takeLink(link: Link): Link[];
  takeGone(ifindex: number): void;
  /** All VLANs of a port, as its bridge tells them. */
  takePort(ifindex: number, master: number, vlans: PortVlans): Link[];
  /** VLANs that come or go. */
  takeVlans(ifindex: number, entries: readonly VlanEntry[], present: boolean): Link[];
}

const noVlans: PortVlans = { vlans: [] };

export function createLinkTable(): LinkTable {
  const links = new Map<number, Link>();
  const ports = new Map<number, PortVlans>();

  /** A bridge keeps the VLANs of its ports also while it does not filter; they mean nothing then. */
  function filtered(link: Link): PortVlans | undefined {
    return link.master !== undefined && links.get(link.master)?.vlanFiltering === true ? ports.get(link.ifindex) : undefined;
  }

  function complete(link: Link): Link {
    return { ...link, ...filtered(link) };
  }

  function setVlans(link: Link, vlans: PortVlans): Link[] {
    const before = filtered(link);
    ports.set(link.ifindex, vlans);
    return areSame(before, filtered(link)) ? [] : [complete(link)];
  }

  return {
    clear() {
      links.clear();
      ports.clear();
    },
    all: () => [...links.values()].map(complete),
    takeLink(link) {
      const before = links.get(link.ifindex);
      links.set(link.ifindex, link);
      if (before?.master !== link.master) ports.delete(link.ifindex);
      const told = [complete(link)];
      if (before?.vlanFiltering !== link.vlanFiltering) {
        for (const other of links.values()) if (other.master === link.ifindex && other !== link) told.push(complete(other));
      }
      return told;
    },
    takeGone(ifindex) {
      links.delete(ifindex);
      ports.delete(ifindex);
    },
    takePort(ifindex, master, vlans) {
      const link = links.get(ifindex);
      // Told of the bridge that it is no longer in, or is not in yet: what comes next says it again.
      return link?.master === master ? setVlans(link, vlans) : [];
    },
    takeVlans(ifindex, entries, present) {
      const link = links.get(ifindex);
      return link?.master === undefined ? [] : setVlans(link, changeVlans(ports.get(ifindex) ?? noVlans, entries, present));
    },
  };
}
