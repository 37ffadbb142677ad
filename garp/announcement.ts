import type { IpAddress } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

/** One frame as the capture hands it on. */
export interface CapturedFrame {
  /** The Ethernet frame as it stands in memory: the kernel has taken the outermost 802.1Q tag out, see `tag`. */
  readonly bytes: Uint8Array;
  /** The port on which it came in. */
  readonly ifindex: number;
  /** The 802.1Q tag that the kernel took out (PACKET_AUXDATA): TPID and TCI. */
  readonly tag?: { readonly tpid: number; readonly tci: number };
  /** `capturedAt` of the kernel's timestamp, turned into monotonic milliseconds when the socket was drained. */
  readonly capturedAtMs: number;
}

/** `arp` is ordinary ARP of a VM that is no announcement: evidence only where `any-arp` is configured and the MAC is known. */
export type AnnouncementKind = 'garp' | 'rarp' | 'na' | 'arp';

/** What a VM said on the wire. `vlan` is 0 when untagged or priority-tagged. A RARP carries no address. */
export interface Announcement {
  readonly type: 'announcement';
  readonly kind: AnnouncementKind;
  readonly mac: Mac;
  readonly vlan: number;
  readonly address?: IpAddress;
}

/** A frame that announces nothing, and why: `show ignored` prints it. */
export interface NoAnnouncement {
  readonly type: 'ignored';
  readonly verdict: 'malformed' | 'not_evidence' | 'source_mismatch' | 'wrong_vlan';
  /** One short sentence part in plain ASCII, for example `ARP probe (sender 0.0.0.0)`. */
  readonly reason: string;
  /** What kind of frame it was: garp, rarp, na, arp, arp-probe, ns, rs, mld, dhcp, ipv4, ipv6, other… */
  readonly kind: string;
  readonly mac?: Mac;
  readonly vlan?: number;
  readonly address?: IpAddress;
}
