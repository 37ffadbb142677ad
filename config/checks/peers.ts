import { familyOf, isLinkLocal, type IpAddress } from '../../net/ip.ts';
import { asPeer, nextHopOf, selects, timersOf, type Labels } from '../effective.ts';
import type { Draft, DraftPeer } from '../schema.ts';
import { checkProfile, checkProfiles } from './profiles.ts';
import { checkRanges } from './ranges.ts';
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
  for (const [index, range] of draft.bgp.listen.ranges.entries()) {
    // Found of a peer, said of the range.
    const at = (path: Parameters<Findings['error']>[0]): typeof path => (path[1] === 'peers' ? ['bgp', 'listen', 'ranges', ...path.slice(2)] : path);
    checkPeer(draft, asPeer(range), index, { error: (path, text) => report.error(at(path), text), warn: (path, text) => report.warn(at(path), text) });
  }
  checkOneLink(draft, labels, report);
  checkRanges(draft, labels, report);
  checkSelected(draft, labels, report);
  checkProfiles(draft, labels, report);
  checkCommunitiesOfExport(draft, report);
}

function checkPeer(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const path = ['bgp', 'peers', index] as const;
  if (peer.ttlSecurity && peer.multihop !== undefined) {
    report.error([...path, 'multihop'], 'multihop and ttlSecurity exclude each other: ttlSecurity accepts packets of directly connected routers only (RFC 5082)');
  }
  if (peer.bfd?.enabled === true && peer.multihop !== undefined) {
    report.error([...path, 'bfd'], 'bfd and multihop exclude each other: BFD is with directly connected routers only (RFC 5881)');
  }
  checkKeys(peer, index, report);
  if (peer.sourceAddress !== undefined && familyOf(peer.sourceAddress) !== familyOf(peer.address as IpAddress)) {
    report.error([...path, 'sourceAddress'], `must be of the same family as address (${peer.address})`);
  }
  if (peer.sourceAddress === peer.address) report.error([...path, 'sourceAddress'], 'is the address of the router itself');
  checkLink(draft, peer, index, report);
  checkTimers(draft, peer, index, report);
  checkProfile(draft, peer, index, report);
  checkNextHops(draft, peer, index, report);
}

/** One way to sign, and no KeyID twice (RFC 5925 section 3.1). */
function checkKeys({ password, tcpAo }: DraftPeer, index: number, report: Findings): void {
  const path = ['bgp', 'peers', index, 'tcpAo'] as const;
  if (password !== undefined && tcpAo !== undefined) report.error(path, 'password (TCP MD5) and tcpAo exclude each other: a connection is signed in one way (RFC 5925 section 1)');
  const sent = new Set<number>();
  const received = new Set<number>();
  for (const [i, { sendId, receiveId = sendId }] of (tcpAo?.keys ?? []).entries()) {
    if (sent.has(sendId)) report.error([...path, 'keys', i, 'sendId'], `another key already has the ID ${sendId}`);
    else if (received.has(receiveId)) report.error([...path, 'keys', i, 'receiveId'], `another key is already received with the ID ${receiveId}`);
    sent.add(sendId);
    received.add(receiveId);
  }
}

/** The listener's keys are by address: of two links' routers with the same one it could not tell whose key signed. */
function checkOneLink({ bgp }: Draft, labels: Labels, report: Findings): void {
  if (!bgp.listen.enabled) return;
  const bare = ({ address }: DraftPeer): string => address.split('%')[0] as string;
  const peers = bgp.peers.filter(({ nodeSelector }) => selects(nodeSelector, labels));
  for (const [index, peer] of bgp.peers.entries()) {
    const twin = peers.find((other) => other !== peer && bare(other) === bare(peer));
    if (peer.tcpAo !== undefined && peers.includes(peer) && twin !== undefined) report.error(['bgp', 'peers', index, 'tcpAo'], `peer ${twin.name} has the same address on another link: with bgp.listen.enabled TCP-AO can't tell them apart`);
  }
}

/** A link-local address means nothing without its interface; a role means nothing inside one AS. */
function checkLink(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const path = ['bgp', 'peers', index] as const;
  const [address, zone] = peer.address.split('%') as [IpAddress, string | undefined];
  if (zone !== undefined && peer.interface !== undefined && zone !== peer.interface) report.error([...path, 'interface'], `contradicts the zone of the address (${zone})`);
  if (isLinkLocal(address) && zone === undefined && peer.interface === undefined) {
    report.error([...path, 'address'], `${address} is on every link; name the interface: "${address}%eth0"`);
  }
  if (isLinkLocal(address) && peer.multihop !== undefined) report.error([...path, 'multihop'], 'a link-local address is never far away');
  if (peer.role !== undefined && peer.asn === draft.bgp.asn) report.error([...path, 'role'], 'roles are for eBGP (RFC 9234)');
  const { sendHoldSeconds, holdSeconds } = timersOf(draft, peer);
  if (sendHoldSeconds !== undefined && sendHoldSeconds <= holdSeconds) {
    report.error([...path, 'timers', 'sendHold'], `must be longer than the Hold Time (${holdSeconds}s, RFC 9687 section 3.2)`);
  }
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

/** A family whose routes would find no next hop is offered and stays empty. */
function checkNextHops(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const watched = new Set(draft.watch.filter((watch) => watch.vrf === peer.vrf).flatMap((watch) => watch.prefixes.map(familyOf)));
  const nextHop = nextHopOf(draft, peer);
  for (const [family, key] of [['ipv4-unicast', 'ipv4'], ['ipv6-unicast', 'ipv6']] as const) {
    if (!peer.families.includes(family) || !watched.has(family) || nextHop[key] !== undefined || familyOf(peer.address as IpAddress) === family) continue;
    if (isLinkLocal(peer.address as IpAddress)) continue; // such fabrics have IPv6 next hops for both (RFC 8950)
    const where = `no next hop for ${family} on a session over ${key === 'ipv4' ? 'IPv6' : 'IPv4'}`;
    report.warn(['bgp', 'peers', index, 'address'], key === 'ipv6' ? `${where}: its routes are not sent; set nextHop.ipv6`
      : `${where}: its routes are sent only to a router that takes IPv6 next hops (RFC 8950); for others set nextHop.ipv4`);
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
  if (selected.length === 0 && draft.bgp.listen.ranges.length === 0) report.warn(['bgp', 'peers'], draft.bgp.peers.length === 0 ? 'no peers: nothing is announced' : 'the labels of this node select no peer: nothing is announced here');
}

function checkCommunitiesOfExport(draft: Draft, report: Report): void {
  const ebgp = draft.bgp.peers.find((peer) => peer.asn !== draft.bgp.asn);
  if (draft.routes.noExport && ebgp !== undefined) {
    report.warn(['routes', 'noExport'], `peer ${ebgp.name} is eBGP: it will not pass a route with NO_EXPORT on to other ASes (RFC 1997)`);
  }
}
