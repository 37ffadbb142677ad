import { type Prefix, prefixAddress, prefixContains, prefixLength } from '../../net/ip.ts';
import { selects, type Labels } from '../effective.ts';
import type { Draft, DraftWatch } from '../schema.ts';
import type { Report } from './report.ts';

/** What must hold of the watched bridges, and of the VRFs that they make. */
export function checkWatches(draft: Draft, labels: Labels, report: Report): void {
  const peerVrfs = new Set(draft.bgp.peers.filter((peer) => selects(peer.nodeSelector, labels)).map((peer) => peer.vrf));
  for (const [index, watch] of draft.watch.entries()) {
    checkWatch(watch, index, report);
    for (const [earlierIndex, earlier] of draft.watch.slice(0, index).entries()) {
      checkSameBridge(earlier, earlierIndex, watch, index, report);
      checkSharedPeers(draft, earlier, earlierIndex, watch, index, report);
    }
    if (peerVrfs.size > 0 && !peerVrfs.has(watch.vrf)) report.warn(['watch', index, 'vrf'], `no peer is in VRF ${watch.vrf}: what is heard on ${watch.bridge} is announced to nobody`);
  }
}

function checkWatch(watch: DraftWatch, index: number, report: Report): void {
  for (const [at, pattern] of watch.ports.uplink.entries()) {
    if (watch.ports.local.includes(pattern)) report.error(['watch', index, 'ports', 'uplink', at], `"${pattern}" is in ports.local too: a port is local or an uplink`);
  }
  for (const [at, prefix] of watch.prefixes.entries()) {
    if (prefixLength(prefix) === 0) report.warn(['watch', index, 'prefixes', at], `${prefix} bounds nothing: a VM could claim any address`);
  }
  for (const [at, address] of watch.exclude.entries()) {
    if (!watch.prefixes.some((prefix) => prefixContains(prefix, address))) report.warn(['watch', index, 'exclude', at], `${address} is outside prefixes anyway`);
  }
  const ranges = watch.vlans ?? [];
  for (const [at, range] of ranges.entries()) {
    if (ranges.slice(0, at).some((other) => overlaps(other, range))) report.warn(['watch', index, 'vlans', at], 'lists VLANs that an earlier entry has');
  }
}

function checkSameBridge(earlier: DraftWatch, earlierIndex: number, watch: DraftWatch, index: number, report: Report): void {
  if (earlier.bridge !== watch.bridge) return;
  const both = sharedVlan(earlier, watch);
  if (both === undefined) return;
  report.error(['watch', index, 'bridge'], `watch[${earlierIndex}] already watches ${watch.bridge}${both === 'every' ? '' : ` in VLAN ${both}`}; give each its own vlans`);
}

/** A VLAN that both watch; `every` where either lists none. */
function sharedVlan(a: DraftWatch, b: DraftWatch): number | 'every' | undefined {
  if (a.vlans === undefined || b.vlans === undefined) return 'every';
  for (const left of a.vlans) for (const right of b.vlans) if (overlaps(left, right)) return Math.max(left[0], right[0]);
  return undefined;
}

/** Unicast BGP carries no VRF: at one router the same address of two VRFs is one route. */
function checkSharedPeers(draft: Draft, earlier: DraftWatch, earlierIndex: number, watch: DraftWatch, index: number, report: Report): void {
  if (earlier.vrf === watch.vrf) return;
  const routers = new Map(draft.bgp.peers.filter((peer) => peer.vrf === earlier.vrf).map((peer) => [peer.address, peer.name]));
  const shared = draft.bgp.peers.find((peer) => peer.vrf === watch.vrf && routers.has(peer.address));
  if (shared === undefined) return;
  for (const [at, prefix] of watch.prefixes.entries()) {
    const other = earlier.prefixes.find((candidate) => prefixesOverlap(candidate, prefix));
    if (other === undefined) continue;
    const text = `overlaps ${other} of watch[${earlierIndex}], which is another VRF, and both are announced to ${shared.address} (peers ${routers.get(shared.address)} and ${shared.name}): there an address would mean two VMs`;
    report.error(['watch', index, 'prefixes', at], text);
  }
}

function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixContains(a, prefixAddress(b)) || prefixContains(b, prefixAddress(a));
}

function overlaps(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] <= b[1] && b[0] <= a[1];
}
