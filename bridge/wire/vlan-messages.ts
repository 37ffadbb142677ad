import type { VlanRange } from '../ports.ts';
import { readAttributes } from './netlink.ts';
import type { NetlinkReader } from './netlink.ts';
import { joinRanges } from './port-vlans.ts';
import type { PortVlans, VlanEntry } from './port-vlans.ts';

/**
 * VLANs of bridge ports; layouts and numbers from linux/if_bridge.h. How they are followed, the same on kernels 5.10 to 6.x:
 *
 * - The dump is RTM_GETLINK of AF_BRIDGE with RTEXT_FILTER_BRVLAN_COMPRESSED. (RTM_GETVLAN would do, but tells no master, and a kernel
 *   built without VLAN filtering refuses it; the other one it answers, without VLANs.)
 * - RTM_NEWLINK of AF_BRIDGE on RTNLGRP_LINK tells all VLANs of a port when it joined, and after RTM_SETLINK and RTM_DELLINK, which
 *   iproute2, libvirt and systemd-networkd use. One without VLANs says that the port has none.
 * - RTM_NEWVLAN and RTM_DELVLAN on RTNLGRP_BRVLAN (5.6) tell single VLANs; and they alone tell when vlan_default_pvid changes, or when
 *   somebody changes VLANs by RTM_NEWVLAN and RTM_DELVLAN themselves. (Then the kernel also sends RTM_SETLINK, or RTM_DELLINK of AF_BRIDGE
 *   for a port that stays where it is. So that message never means that a port left; the link itself, told without a master, does.)
 */
const IFLA_BRIDGE = { flags: 0, vlanInfo: 2 } as const;
const BRIDGE_VLANDB_ENTRY = 1;
const ENTRY = { info: 1, range: 2 } as const;
const VLAN_INFO = { pvid: 0x02, rangeBegin: 0x08, rangeEnd: 0x10 } as const;
const vlanInfoOctets = 4;

/** `bridge_vlan_info`: flags u16, VLAN u16. */
function readVlanInfo(value: NetlinkReader): { flags: number; vlan: number } {
  return { flags: value.u16(), vlan: value.u16() };
}

/**
 * The IFLA_AF_SPEC of an AF_BRIDGE message: the VLANs that the bridge gives the port. `undefined` if not the bridge speaks but the
 * interface's own driver (IFLA_BRIDGE_FLAGS with BRIDGE_FLAGS_SELF; SR-IOV cards have a bridge of their own).
 */
export function decodePortVlans(value: NetlinkReader): PortVlans | undefined {
  let ofDriver = false;
  let pvid: number | undefined;
  let begun: number | undefined;
  const ranges: VlanRange[] = [];
  readAttributes(value, (type, attribute) => {
    if (type === IFLA_BRIDGE.flags) ofDriver = true;
    if (type !== IFLA_BRIDGE.vlanInfo || attribute.left !== vlanInfoOctets) return;
    const { flags, vlan } = readVlanInfo(attribute);
    if ((flags & VLAN_INFO.pvid) !== 0) pvid = vlan;
    if ((flags & VLAN_INFO.rangeBegin) !== 0) {
      begun = vlan;
      return;
    }
    const low = (flags & VLAN_INFO.rangeEnd) !== 0 ? (begun ?? vlan) : vlan;
    begun = undefined;
    if (low <= vlan) ranges.push([low, vlan]);
  });
  if (ofDriver) return undefined;
  const vlans = joinRanges(ranges);
  return pvid === undefined ? { vlans } : { pvid, vlans };
}

/** RTM_NEWVLAN, RTM_DELVLAN: `br_vlan_msg` (family u8, pad 3, ifindex u32), then one nest per VLAN or range. */
export function decodeVlans(body: NetlinkReader): { readonly ifindex: number; readonly entries: readonly VlanEntry[] } {
  body.skip(4);
  const ifindex = body.u32();
  const entries: VlanEntry[] = [];
  readAttributes(body, (type, entry) => {
    if (type !== BRIDGE_VLANDB_ENTRY) return; // global options: multicast snooping and the like
    let info: { flags: number; vlan: number } | undefined;
    let high: number | undefined;
    readAttributes(entry, (entryType, value) => {
      if (entryType === ENTRY.info) info = readVlanInfo(value);
      else if (entryType === ENTRY.range) high = value.u16();
    });
    if (info === undefined) return;
    const { flags, vlan } = info;
    if (high === undefined || vlan <= high) entries.push({ range: [vlan, high ?? vlan], pvid: (flags & VLAN_INFO.pvid) !== 0 });
  });
  return { ifindex, entries };
}
