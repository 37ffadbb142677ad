import { familyOf, prefixContains, type IpAddress } from '../../net/ip.ts';
import { selects, type Labels } from '../effective.ts';
import type { Draft } from '../schema.ts';
import type { Report } from './report.ts';

/** What must hold of ranges beside what must hold of any peer: with each other, with the peers, and with the one socket that all share. */
export function checkRanges(draft: Draft, labels: Labels, report: Pick<Report, 'error' | 'warn'>): void {
  const { enabled, ranges } = draft.bgp.listen;
  const peers = draft.bgp.peers.filter((peer) => selects(peer.nodeSelector, labels));
  const watched = new Set(draft.watch.map(({ vrf }) => vrf));
  if (!enabled && ranges.length > 0) report.error(['bgp', 'listen', 'ranges'], 'nobody can come: bgp.listen.enabled is false');
  for (const [index, range] of ranges.entries()) {
    const path = ['bgp', 'listen', 'ranges', index] as const;
    const family = familyOf(range.prefix);
    const earlier = ranges.findIndex((other) => other.name === range.name || (other.prefix === range.prefix && other.interface === range.interface));
    if (earlier < index) report.error([...path, ranges[earlier]?.name === range.name ? 'name' : 'prefix'], `bgp.listen.ranges[${earlier}] already has it`);
    if (draft.bgp.peers.some(({ name }) => name === range.name)) report.error([...path, 'name'], `a peer already has the name "${range.name}"`);
    if (!watched.has(range.vrf)) report.warn([...path, 'vrf'], `no watched bridge is in VRF ${range.vrf}: its peers hear of nothing`);
    for (const peer of peers) {
      // The kernel asks for the range's key where it knows none for the address.
      const inside = prefixContains(range.prefix, peer.address.split('%')[0] as IpAddress);
      if (inside && (range.tcpAo !== undefined || peer.tcpAo !== undefined)) {
        report.error([...path, 'prefix'], `peer ${peer.name} is in this range and one of them has TCP-AO: an address takes the keys of one of them (RFC 5925 section 3.1)`);
      } else if (inside && range.password !== undefined && peer.password === undefined) {
        report.error([...path, 'password'], `peer ${peer.name} is in this range and has no key, so that its connections would be asked for this one`);
      }
    }
    const everybody = [...peers.map(({ address, ttlSecurity }) => ({ family: familyOf(address.split('%')[0] as IpAddress), ttlSecurity })), ...ranges.map(({ prefix, ttlSecurity }) => ({ family: familyOf(prefix), ttlSecurity }))];
    if (range.ttlSecurity && everybody.some((other) => other.family === family && !other.ttlSecurity)) {
      report.error([...path, 'ttlSecurity'], `the listener can demand it of all or of nobody: every peer and range of ${family === 'ipv4-unicast' ? 'IPv4' : 'IPv6'} needs it, too`);
    }
  }
}
