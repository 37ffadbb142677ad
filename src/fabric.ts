import { hostPrefix, prefixAddress, type Prefix } from '../net/ip.ts';
import type { ReceivedRoute } from '../routes/adj-rib-in.ts';
import { highestSequence } from '../routes/claim.ts';
import { asnsOf, isMended, judgeRoute, orderTrouble, settlesFix, slowAnswerMs, type Advice, type Finding, type RouterView } from '../routes/fabric.ts';
import type { Handover } from '../routes/handover.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { hasLine } from './chronicle.ts';
import { isTwinRoute } from './identifier-twins.ts';
import { note, type Peer, type World } from './world.ts';

/** How long routers may take to agree, in milliseconds, before what one shows and another does not is a finding. */
const settledAfterMs = 30_000;

/** How long a router may take over its first table, in milliseconds: FRR gathers peers for 1 to 10 s before it begins. */
const firstTableMs = 12_000;

/** Learns from one received change what its router shows and what it keeps to itself. */
export function observeRoute(world: World, peer: Peer, prefix: Prefix, before: ReceivedRoute | undefined, after: ReceivedRoute | undefined): void {
  const { fabric, config } = peer;
  const key = addressKey(config.vrf, prefixAddress(prefix));
  const h = world.locRib.handovers.get(key);
  const claims = h !== undefined && (h.state === 'elevated' || h.state === 'normal') && peer.adjOut.sent.has(prefix);
  const reflected = claims && after?.kind === 'own' && after.marks.sequence === h.sequence && before?.marks.sequence !== h.sequence;
  const beaten = claims && before?.kind === 'rival' && after === undefined && (before.marks.sequence as number) < h.sequence;
  if (after?.kind === 'own' && isTwinRoute(world, peer, prefix, after)) return tellTwin(world, peer, prefix, after);
  if (after?.kind === 'own') fabric.reflectsOwn = true;
  if (beaten) fabric.hidesLosers = true;
  if (after?.kind === 'rival') {
    fabric.showsRivals = true;
    fabric.findings.delete('rival_hidden');
    if (asnsOf(after.route.attributes.asPath).includes(world.config.bgp.asn)) fabric.showsOwnAs = true;
  }
  if (after !== undefined) {
    const found = judgeRoute(viewOf(world, peer), after, world.preference);
    if (found !== undefined) report(world, peer, found);
  }
  const claim = world.migrations.open.get(key);
  // What a session is told when it comes up, or soon afterwards, is answered in the router's own time. A claim is answered once: what a router
  // shows again later (after a drain, say) was sent anew.
  if ((reflected || beaten) && claim?.announcedAtMs !== undefined && !hasLine(claim, 'reflected', config.name) && peer.session.sinceMs + firstTableMs < claim.startWallMs) timeAnswer(world, peer, world.now.monotonicMs - claim.announcedAtMs);
}

function viewOf(world: World, { config, ibgp }: Peer): RouterView {
  return { profile: config.profile, ibgp, peerAsn: config.asn, localAsn: world.config.bgp.asn };
}

/** Another node's route under our name says nothing of ours. */
function tellTwin(world: World, { config, fabric }: Peer, prefix: Prefix, { route }: ReceivedRoute): void {
  if (fabric.twinTold === true) return;
  fabric.twinTold = true;
  note(world, {
    level: 'warn', room: 'routes', peer: config.name, event: 'fabric.finding', publish: 'peer',
    fields: { finding: 'identifier_twin', text: `${prefix} comes with our BGP Identifier and next hop ${route.attributes.nextHop}, and we never sent it: another node has our identifier` },
  });
}

function timeAnswer(world: World, peer: Peer, ms: number): void {
  peer.fabric.slowestAnswerMs = Math.max(peer.fabric.slowestAnswerMs ?? 0, ms);
  if (ms < slowAnswerMs) return;
  report(world, peer, { code: 'slow_router', text: `this router took ${(ms / 1000).toFixed(1)} s to answer a claim: it holds UPDATEs back (MRAI)`, fix: 'set advertisement-interval 0 at the routers, towards the nodes and in the fabric; said until the session is next reset' });
}

/** An address that was heard through an uplink and left here without any router having shown the newer claim. */
export function observeDeparture(world: World, before: Handover, after: Handover, peers: readonly Peer[]): void {
  if (before.state !== 'leaving' || after.state !== 'withdrawn' || before.source !== 'uplink' || world.config.bgp.receive === 'none') return;
  const prefix = hostPrefix(after.address);
  const established = peers.filter((peer) => peer.session.negotiated !== undefined);
  if (established.some((peer) => peer.adjIn.routes.get(prefix)?.kind === 'rival')) return;
  for (const peer of established) report(world, peer, { code: 'rival_hidden', text: `${prefix} was heard through an uplink, and no router has shown another node's claim: routers hide it (same AS at both nodes, no reflection), or the VM went to a node without landfall`, fix: showsFix(peer) });
}

function report(world: World, peer: Peer, finding: Finding): void {
  const before = peer.fabric.findings.get(finding.code);
  if (before !== undefined && !mended(world, peer, before)) return;
  peer.fabric.findings.set(finding.code, finding);
  note(world, {
    level: 'warn', room: 'routes', peer: peer.config.name, event: 'fabric.finding', publish: 'peer', fields: { finding: finding.code, text: `${finding.text}; ${finding.fix}` },
  });
}

function mended(world: World, peer: Peer, finding: Finding): boolean {
  return finding.seen !== undefined && isMended(finding, viewOf(world, peer), peer.adjIn.routes.get(finding.seen.prefix), world.preference);
}

/** {@link fabricFindings}, each in one line: for `status`, before a migration finds out. */
export function fabricWarnings(world: World): string[] {
  return fabricFindings(world).map(({ text, fix }) => `${text}; ${fix}`);
}

/**
 * Where the chosen profiles can't order two nodes on this fabric. Findings about the fabric stand until their session ends or the route that
 * showed them shows something else; the others as long as they are true.
 */
export function fabricFindings(world: World): Advice[] {
  const warnings: Advice[] = [];
  for (const peer of world.peers.values()) {
    const say = ({ text, fix }: Advice): void => { warnings.push({ text: `${peer.config.name}: ${text}`, fix }); };
    for (const finding of peer.fabric.findings.values()) if (!mended(world, peer, finding)) say(finding);
    for (const advice of atClaims(world, peer)) say(advice);
    const hidden = hiddenRival(world, peer);
    if (hidden !== undefined) say(hidden);
  }
  const top = world.preference.ladder.length - 1;
  let atTop = 0;
  for (const step of world.steps.values()) if (step === top) atTop += 1;
  if (atTop > 0) warnings.push({ text: `${atTop} claims stand on the top of the ladder: their next move ties until they settle`, fix: settlesFix });
  for (const h of world.locRib.handovers.values()) {
    if (h.sequence < highestSequence) continue;
    warnings.push({ text: `${hostPrefix(h.address)} has the highest sequence there is: no later claim can be newer`, fix: 'find the node that made it, and clear it there' });
    break;
  }
  return warnings;
}

/** What one peer shows against addresses that we claim: the first of each kind. */
function atClaims(world: World, peer: Peer): Advice[] {
  const found = new Map<string, Advice>();
  for (const [prefix, received] of peer.adjIn.routes) {
    if (received.kind !== 'foreign' && received.kind !== 'rival') continue;
    const h = world.locRib.handovers.get(addressKey(peer.config.vrf, prefixAddress(prefix)));
    if (h === undefined || (h.state !== 'elevated' && h.state !== 'normal')) continue;
    const { attributes } = received.route;
    if (received.kind === 'foreign') {
      found.set('foreign', found.get('foreign') ?? { text: `${prefix}, which we claim, also comes without landfall's marks (next hop ${attributes.nextHop}${attributes.med === undefined && !peer.ibgp ? ', without MED, which beats every MED' : ''}): routers may prefer it whatever we send`, fix: `remove that route at ${attributes.nextHop}, or where the router has it from (static, redistribute)` });
      continue;
    }
    const trouble = orderTrouble(peer.config.profile, received, world.preference);
    if (trouble !== undefined) found.set('order', found.get('order') ?? { ...trouble, text: `${prefix}: ${trouble.text}` });
  }
  return [...found.values()];
}

function showsFix({ ibgp }: Peer): string {
  return ibgp ? 'make the nodes route-reflector clients at the router' : 'let the router send VM prefixes back to the nodes (NX-OS disable-peer-as-check, Junos advertise-peer-as)';
}

/** A standing rival that another peer has shown for a while and this one, which has nothing of ours to prefer, has not. */
function hiddenRival(world: World, peer: Peer): Advice | undefined {
  const { config, session } = peer;
  if (session.negotiated === undefined || world.now.wallMs - session.sinceMs < settledAfterMs) return undefined;
  for (const other of world.peers.values()) {
    if (other === peer || other.config.vrf !== config.vrf || other.ibgp !== peer.ibgp) continue;
    for (const [prefix, { kind, leaving, since }] of other.adjIn.routes) {
      if (kind !== 'rival' || leaving || world.now.monotonicMs - since.monotonicMs < settledAfterMs) continue;
      if (peer.adjIn.routes.has(prefix) || peer.adjOut.sent.has(prefix) || !session.negotiated.families.includes(prefix.includes(':') ? 'ipv6-unicast' : 'ipv4-unicast')) continue;
      return { text: `${other.config.name} shows ${prefix} of another node and this router does not: it hides rivals, so claims here can't follow what they can't see`, fix: showsFix(peer) };
    }
  }
  return undefined;
}
