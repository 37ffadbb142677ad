import { defaultCommunity, profileOf, selects, timersOf, type Labels } from '../effective.ts';
import type { Draft, DraftPeer } from '../schema.ts';
import type { Profile } from '../config.ts';
import { formatDuration } from '../values.ts';
import type { Report } from './report.ts';

type Findings = Pick<Report, 'error' | 'warn'>;

/** What each profile is for, in the words of every message that has to name another one. */
const fits = {
  sequence: 'sequence (one AS with the nodes as route-reflector clients; or eBGP with all nodes in one AS and all ToRs of the prefix in one AS)',
  ladder: 'ladder (an AS per ToR, any number of moves; every eBGP router maps eight communities to LOCAL_PREF)',
  window: 'window (a small fixed preference plan that routers map to LOCAL_PREF; one move within elevatedFor)',
  prepend: 'prepend (several ASes and no router configuration; one move within elevatedFor)',
} as const satisfies Readonly<Record<Profile, string>>;

const ebgpNeedsProfile =
  `an eBGP peer needs a profile, which says how the newest claim wins. Set routes.profile (here or at the top) to ${fits.sequence}, ${fits.ladder}, ${fits.window}, or ${fits.prepend}`;

/** Whether one peer's profile can hold, as far as the configuration alone tells; the fabric tells the rest at run time (`status`). */
export function checkProfile(draft: Draft, peer: DraftPeer, index: number, report: Findings): void {
  const path = ['bgp', 'peers', index, 'asn'] as const;
  const profile = profileOf(draft, peer);
  if (profile === undefined) return report.error(path, ebgpNeedsProfile);
  const ebgp = peer.asn !== draft.bgp.asn;
  if (ebgp) checkEbgp(draft, peer, index, profile, report);
  else if (profile === 'prepend') {
    report.error(path, `profile prepend can't work on iBGP: AS_PATH stays empty inside an AS, and our own ASN in it would be a loop. Use ${fits.sequence}`);
  } else if (profile === 'ladder') {
    report.warn(path, `profile ladder on iBGP has eight steps where LOCAL_PREF itself is carried and could have them all: the eighth move in a row ties. Use ${fits.sequence}`);
  }
  if (draft.bgp.receive === 'none' && profile === 'ladder') {
    report.error(['bgp', 'receive'], `none hides every rival, so each claim of profile ladder (peer ${peer.name}) takes the lowest step and ties. Use receive: vm-prefixes, or ${fits.window}`);
  }
  checkElevatedFor(draft, peer, profile, report);
}

function checkEbgp(draft: Draft, peer: DraftPeer, index: number, profile: Profile, report: Findings): void {
  const path = ['bgp', 'peers', index, 'asn'] as const;
  if (profile === 'prepend' && draft.routes.prepend < 3) {
    report.warn(['routes', 'prepend'], `${draft.routes.prepend} is not above the path ToR, spine, ToR (2 hops longer than to the ToR's own node): a normal claim there would win over a fresh one elsewhere. Use 3, or 5 with a second tier of spines`);
  }
  if (profile !== 'sequence') return;
  const other = draft.bgp.peers.find((candidate) =>
    candidate.vrf === peer.vrf && candidate.asn !== draft.bgp.asn && candidate.asn !== peer.asn && profileOf(draft, candidate) === 'sequence');
  if (other === undefined) {
    report.warn(path, `profile sequence on eBGP works by MED: it holds only if all nodes share one AS and all ToRs of the prefix share one AS (then they compare MED). In a Clos with an AS per ToR, MED stops at the first ToR: use ${fits.ladder}, or ${fits.prepend}`);
  } else {
    report.warn(path, `profile sequence can't order claims over routers of several ASes (${peer.asn} here, ${other.asn} at peer ${other.name}): MED stops at the first ToR, and the spine uses both nodes at once or keeps the old one. Use ${fits.ladder}, or ${fits.prepend}`);
  }
}

function checkElevatedFor(draft: Draft, peer: DraftPeer, profile: Profile, report: Findings): void {
  if (profile === 'sequence') return;
  const restartSeconds = draft.bgp.gracefulRestart.enabled ? draft.bgp.gracefulRestart.restartTime : 0;
  const leastMs = (timersOf(draft, peer).holdSeconds + restartSeconds) * 1000;
  if (draft.migration.elevatedFor > leastMs) return;
  report.error(['migration', 'elevatedFor'], `${formatDuration(draft.migration.elevatedFor)} is too short for profile ${profile} at peer ${peer.name}: it must exceed Hold Time + restartTime, ${formatDuration(leastMs)}, for a dead node's old route can stand that long. Profile sequence has no such time, where it fits`);
}

/** What must hold between the peers of this node, and of the communities of the steps. */
export function checkProfiles(draft: Draft, labels: Labels, report: Report): void {
  const selected = draft.bgp.peers.flatMap((peer, index) => (selects(peer.nodeSelector, labels) ? [{ peer, index, profile: profileOf(draft, peer) }] : []));
  const ebgp = selected.filter(({ peer, profile }) => peer.asn !== draft.bgp.asn && profile !== undefined);
  for (const { peer, index, profile } of ebgp) {
    const first = ebgp.find((other) => other.peer.vrf === peer.vrf) as (typeof ebgp)[number];
    if (first.profile === profile) continue;
    report.warn(['bgp', 'peers', index, 'asn'], `profile ${profile} here and ${first.profile} at peer ${first.peer.name}: a router that hears of both compares what can't be compared; give all eBGP peers of a VRF one profile`);
  }
  if (selected.some(({ profile }) => profile === 'ladder')) checkSteps(draft, report);
}

function checkSteps(draft: Draft, report: Report): void {
  const steps = draft.routes.ladder.communities ?? [];
  const leaving = draft.routes.leaving.communities ?? [defaultCommunity(draft.bgp.asn, 50)];
  for (const [index, community] of steps.entries()) {
    if (steps.indexOf(community) < index) report.error(['routes', 'ladder', 'communities', index], `${community} is a lower step already: routers could not tell the two apart`);
    if (leaving.includes(community)) report.error(['routes', 'ladder', 'communities', index], `${community} also means leaving: routers could not tell a claim from a departure`);
  }
  if (steps.length > 0 && steps.length < 8) {
    report.warn(['routes', 'ladder', 'communities'], `${steps.length} steps carry ${steps.length - 1} moves in a row, each within elevatedFor of the last; 8 are usual`);
  }
}
