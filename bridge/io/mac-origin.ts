import { readFileSync } from 'node:fs';
import { type BridgeChange, type Link, portKind } from '../ports.ts';

/** NET_ADDR_RANDOM (linux/netdevice.h). */
const randomOrigin = '1';

/**
 * Whether the kernel drew a tap's MAC at random stands in sysfs only, not in the netlink message. It is read for taps whose MAC looks like
 * libvirt's (fe:…), so seldom. What can't be read counts as chosen: a mark too many refuses, and says so.
 */
export function withMacOrigin(change: BridgeChange, sysfs = '/sys/class/net'): BridgeChange {
  if (change.type === 'link') return { ...change, link: withOrigin(change.link, sysfs) };
  if (change.type === 'resync') return { ...change, links: change.links.map((link) => withOrigin(link, sysfs)) };
  return change;
}

function withOrigin(link: Link, sysfs: string): Link {
  if (portKind(link) !== 'tap' || link.mac?.startsWith('fe:') !== true || /[/\0]|^\.\.?$/.test(link.name)) return link;
  try {
    return readFileSync(`${sysfs}/${link.name}/addr_assign_type`, 'utf8').trim() === randomOrigin ? { ...link, randomMac: true } : link;
  } catch {
    return link; // gone again, or no sysfs of this network namespace
  }
}
