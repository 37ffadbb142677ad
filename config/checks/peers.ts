import { familyOf } from '../../net/ip.ts';
import { nextHopOf, profileOf, selects, timersOf, type Labels } from '../effective.ts';
import type { Draft, DraftPeer } from '../schema.ts';
import { formatDuration } from '../values.ts';
import type { Report } from './report.ts';

type Findings = Pick<Report, 'error' | 'warn'>;

/** What must hold of the peers: each by itself, all together, and with the bridges they hear of. */
export function checkPeers(draft: Draft, labels: Labels, report: Report): void {
  const names = new Map<string, number>();
  for (const [index, peer] of draft.bgp.peers.entries()) {
    const first = names.get(peer.name);
    if (first !== undefined) report.error(['bgp', 'peers', index, 'name'], `bgp.peers[${first}] already has the name "${peer.name}"`);
    else names.set(peer.name, index);
    // Mistakes count wherever the peer is; doubts only on the nodes that have it.
    checkPeer(draft, peer, index, selects(peer.nodeSelector, labels) ? report : report.errorsOnly());
  }
  checkSelected(draft, labels, report);
  checkCommunitiesOfExport(draft, report);
}

function checkPeer(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const path = ['bgp', 'peers', index] as const;
  if (peer.ttlSecurity && peer.multihop !== undefined) {
    report.error([...path, 'multihop'], 'multihop and ttlSecurity exclude each other: ttlSecurity accepts packets of directly connected routers only (RFC 5082)');
  }
  if (peer.sourceAddress !== undefined && familyOf(peer.sourceAddress) !== familyOf(peer.address)) {
    report.error([...path, 'sourceAddress'], `must be of the same family as address (${peer.address})`);
  }
  if (peer.sourceAddress === peer.address) report.error([...path, 'sourceAddress'], 'is the address of the router itself');
  checkTimers(draft, peer, index, report);
  checkProfile(draft, peer, index, report);
  checkNextHops(draft, peer, index, report);
}

function checkTimers(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const { holdSeconds, keepaliveSeconds } = timersOf(draft, peer);
  const own = peer.timers.hold !== undefined || peer.timers.keepalive !== undefined;
  const path = own ? ['bgp', 'peers', index, 'timers', 'keepalive'] : ['bgp', 'timers', 'keepalive'];
  if (holdSeconds === 0) return;
  if (keepaliveSeconds >= holdSeconds) {
    report.error(path, `a keepalive every ${keepaliveSeconds}s can't hold a session whose Hold Time is ${holdSeconds}s; use ${Math.max(1, Math.floor(holdSeconds / 3))}s`);
  } else if (keepaliveSeconds * 3 > holdSeconds) {
    report.warn(path, `more than a third of the Hold Time (${holdSeconds}s): one lost keepalive may end the session; use ${Math.max(1, Math.floor(holdSeconds / 3))}s (RFC 4271 section 4.4)`);
  }
}

const ebgpNeedsProfile =
  'an eBGP peer needs a profile, which says how the newest claim wins. Set routes.profile (here or at the top): ' +
  'sequence (MED from the claim) holds only where all nodes are in one AS and all ToRs of the prefix in one AS; ' +
  'window (communities that routers map to LOCAL_PREF) fits fabrics with an AS per ToR and a small fixed preference plan, and needs that mapping on every ' +
  'eBGP router. Later versions will have ladder (an AS per ToR, many moves in short time) and prepend (no router configuration)';

const sequenceOnEbgp =
  'profile sequence on eBGP works by MED: it holds only if all nodes share one AS and all ToRs of the prefix share one AS (then they compare MED). ' +
  'In a Clos with an AS per ToR, MED stops at the first ToR: use window';

function checkProfile(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const path = ['bgp', 'peers', index] as const;
  const ebgp = peer.asn !== draft.bgp.asn;
  const profile = profileOf(draft, peer);
  if (profile === undefined) report.error([...path, 'asn'], ebgpNeedsProfile);
  if (ebgp && profile === 'sequence') report.warn([...path, 'asn'], sequenceOnEbgp);
  if (profile !== 'window') return;
  const restartSeconds = draft.bgp.gracefulRestart.enabled ? draft.bgp.gracefulRestart.restartTime : 0;
  const leastMs = (timersOf(draft, peer).holdSeconds + restartSeconds) * 1000;
  if (draft.migration.elevatedFor <= leastMs) {
    report.error(['migration', 'elevatedFor'], `${formatDuration(draft.migration.elevatedFor)} is too short for profile window at peer ${peer.name}: it must exceed Hold Time + restartTime, ${formatDuration(leastMs)}, for a dead node's old route can stand that long`);
  }
}

/** A family whose routes would find no next hop is offered and stays empty. */
function checkNextHops(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const watched = new Set(draft.watch.filter((watch) => watch.vrf === peer.vrf).flatMap((watch) => watch.prefixes.map(familyOf)));
  const nextHop = nextHopOf(draft, peer);
  for (const [family, key] of [['ipv4-unicast', 'ipv4'], ['ipv6-unicast', 'ipv6']] as const) {
    if (!peer.families.includes(family) || !watched.has(family) || nextHop[key] !== undefined || familyOf(peer.address) === family) continue;
    report.warn(['bgp', 'peers', index, 'address'], `no next hop for ${family} on a session over ${key === 'ipv4' ? 'IPv6' : 'IPv4'}: its routes are not sent; set nextHop.${key}`);
  }
}

function checkSelected(draft: Draft, labels: Labels, report: Report): void {
  const seen = new Map<string, string>();
  const selected = draft.bgp.peers.flatMap((peer, index) => (selects(peer.nodeSelector, labels) ? [{ peer, index }] : []));
  const watchedVrfs = new Set(draft.watch.map((watch) => watch.vrf));
  for (const { peer, index } of selected) {
    const endpoint = `${peer.address} ${peer.port} ${peer.sourceAddress}`;
    const other = seen.get(endpoint);
    if (other !== undefined && draft.bgp.peers.find(({ name }) => name === other)?.vrf === peer.vrf) {
      report.error(['bgp', 'peers', index, 'address'], `peer ${other} already leads to ${peer.address} port ${peer.port}`);
    }
    seen.set(endpoint, peer.name);
    if (!watchedVrfs.has(peer.vrf)) report.warn(['bgp', 'peers', index, 'vrf'], `no watched bridge is in VRF ${peer.vrf}: this peer hears of nothing`);
  }
  if (selected.length === 0) report.warn(['bgp', 'peers'], draft.bgp.peers.length === 0 ? 'no peers: nothing is announced' : 'the labels of this node select no peer: nothing is announced here');
}

function checkCommunitiesOfExport(draft: Draft, report: Report): void {
  const ebgp = draft.bgp.peers.find((peer) => peer.asn !== draft.bgp.asn);
  if (draft.routes.noExport && ebgp !== undefined) {
    report.warn(['routes', 'noExport'], `peer ${ebgp.name} is eBGP: it will not pass a route with NO_EXPORT on to other ASes (RFC 1997)`);
  }
}
