import { locate, type Place } from '../bridge/locate.ts';
import { isOwnAddress } from '../bridge/fdb.ts';
import { letsIn } from '../bridge/ports.ts';
import { isOrdinary, parseAnnouncement, type Announcement, type CapturedFrame } from '../garp/announcement.ts';
import { admit, type AdmitRules, type Verdict } from '../identity/admit.ts';
import { identify, isKnownMac, isShared, learnedOwner } from '../identity/bindings.ts';
import { learn } from '../identity/learned.ts';
import { takeToken } from '../identity/rate.ts';
import type { IpAddress } from '../net/ip.ts';
import type { Endpoint, EvidenceKind } from '../routes/handover.ts';
import { addressKey } from '../routes/loc-rib.ts';
import { rememberClaimant } from './claimants.ts';
import { isEarly, isEarlyElsewhere, isLate } from './early.ts';
import { hearGateway } from './gateway-macs.ts';
import { heardAlive } from './hints.ts';
import { fingerprint, isReflection, rememberLocal } from './reflection.ts';
import { handle } from './handovers.ts';
import { hearVoice } from './idle.ts';
import { countIgnored, type Refusal } from './ignored.ts';
import { count } from './metrics/counts.ts';
import { isTagged, sendProbe, wasAsked } from './probing.ts';
import type { Watch } from './watch.ts';
import { claimPort, isLivePort, livesHere, takesOver } from './watching.ts';
import { note, type World } from './world.ts';

/** Where and what: one announcement, placed. */
interface Heard {
  readonly said: Announcement;
  readonly place: Place;
  readonly watch: Watch;
  readonly vlan: number;
  readonly endpoint: Endpoint;
  readonly capturedAtMs: number;
}

/** One frame: parsed, placed, identified, admitted, and what it says about each address given to its handover. */
export function takeFrame(world: World, frame: CapturedFrame): void {
  const link = world.bridges.links.get(frame.ifindex);
  if (link === undefined) return;
  const parsed = parseAnnouncement(frame);
  const onWire = parsed.vlan ?? 0;
  const vlan = onWire === 0 ? link.pvid ?? 0 : onWire;
  const place = locate(world.bridges, world.watches, frame.ifindex, vlan);
  if (place === undefined) return;
  world.counters.frames += 1;
  count(world.counters.framesHeard, place.bridge, parsed.kind);
  const watch = world.watches[place.watch] as Watch;
  // The capture sees what the bridge then drops: a VM behind an access port that tags itself into another VLAN is not in it.
  if (!letsIn(link, vlan)) {
    refuse(world, place, { verdict: 'wrong_vlan', kind: parsed.kind, reason: `the bridge lets no frame of VLAN ${vlan} in from this port`, vlan, ...(parsed.mac ? { mac: parsed.mac } : {}) });
    return;
  }
  if (world.voices.size > 0 && parsed.mac !== undefined) hearVoice(world, { ifindex: frame.ifindex, vlan, mac: parsed.mac }, frame.capturedAtMs);
  if (parsed.type === 'ignored') {
    refuse(world, place, { verdict: parsed.verdict, kind: parsed.kind, reason: parsed.reason, ...(parsed.vlan === undefined ? {} : { vlan }), ...(parsed.mac ? { mac: parsed.mac } : {}), ...(parsed.address ? { address: parsed.address } : {}) });
    return;
  }
  const endpoint: Endpoint = { mac: parsed.mac, vlan, ifindex: frame.ifindex, tagged: onWire !== 0 && isTagged(world, frame.ifindex, vlan) };
  const heard: Heard = { said: parsed, place, watch, vlan, endpoint, capturedAtMs: frame.capturedAtMs };
  if (place.role === 'uplink' && parsed.address !== undefined && isOwnAddress(world.bridges, parsed.address)) hearGateway(world, watch.vrf, parsed.address, parsed.mac, link.name);
  if (place.role === 'uplink') takeFromUplink(world, heard, frame.bytes);
  else takeFromLocal(world, heard, frame.bytes);
}

function takeFromUplink(world: World, heard: Heard, bytes: Uint8Array): void {
  if (isReflection(world, printOf(heard, bytes))) {
    world.counters.reflections += 1;
    refuseHeard(world, heard, 'reflection', 'the same bytes as a frame heard from a local port in the last 5 s');
    return;
  }
  if (heard.said.kind === 'answer') return refuseHeard(world, heard, 'not_evidence', 'solicited NA');
  forEachAdmitted(world, heard, heard.said.kind, (address) => {
    if (!world.config.migration.withdrawOn.includes('uplink-announcement')) return 'accepted';
    if (isEarlyElsewhere(world, heard, address)) return 'early';
    return handle(world, heard.watch.vrf, address, { type: 'HeardUplink', kind: heard.said.kind as EvidenceKind, capturedAtMs: heard.capturedAtMs });
  });
}

/** The same bytes in another VLAN, or in another VRF, are another VM's. */
function printOf({ watch, vlan }: Heard, bytes: Uint8Array): string {
  return `${watch.vrf}|${vlan}|${fingerprint(bytes)}`;
}

function takeFromLocal(world: World, heard: Heard, bytes: Uint8Array): void {
  const { said, watch, endpoint, capturedAtMs } = heard;
  if (world.forwarding.hints.size > 0) heardAlive(world, watch.vrf, identify(world.bindings, { mac: said.mac, vlan: heard.vlan, vrf: watch.vrf }).addresses, endpoint.ifindex, capturedAtMs);
  if (said.address !== undefined && (isOrdinary(said.kind) || said.kind === 'answer')) {
    if (wasAsked(world, addressKey(watch.vrf, said.address), capturedAtMs)) {
      forEachAdmitted(world, heard, 'answer', (address) =>
        // The answer is for one address; the others of this VM are asked by themselves.
        address !== said.address ? 'accepted'
          : isEarly(world, heard, address) ? handle(world, watch.vrf, address, { type: 'HeardEarly', kind: 'arp', endpoint })
          : handle(world, watch.vrf, address, { type: 'Answered', endpoint, capturedAtMs }));
      return;
    }
    if (!watch.rules.kinds.has(said.kind) || said.kind === 'answer') {
      if (said.kind !== 'answer') ask(world, heard, said.address);
      return refuseHeard(world, heard, 'not_evidence', said.kind === 'answer' ? 'solicited NA' : `ordinary ${said.kind.toUpperCase()} (watch.announcements has no any-arp)`);
    }
  }
  if (!isKnownMac(world.bindings, watch.vrf, said.mac, heard.vlan)
    && !takeToken(world.rates, endpoint.ifindex, world.now.monotonicMs, world.config.migration.maxPerSecond)) {
    return refuseHeard(world, heard, 'rate', `more than migration.maxPerSecond (${world.config.migration.maxPerSecond}) from this port`);
  }
  const kind = said.kind as EvidenceKind;
  let admitted = false;
  forEachAdmitted(world, heard, said.kind, (address) => {
    if (!admitted) {
      admitted = true;
      rememberLocal(world, endpoint.ifindex, printOf(heard, bytes));
      if (kind === 'rarp') world.rarpHeard.add(`${endpoint.ifindex}|${said.mac}`);
    }
    const late = isLate(world, heard, address);
    if (late) sendProbe(world, addressKey(watch.vrf, address), address, endpoint);
    return late || isEarly(world, heard, address)
      ? handle(world, watch.vrf, address, { type: 'HeardEarly', kind, endpoint })
      : handle(world, watch.vrf, address, {
        type: 'HeardLocal', kind, endpoint, capturedAtMs, ...(isShared(world.bindings, watch.vrf, address) ? { shared: true as const } : {}),
      });
  });
}

/**
 * An ordinary frame of a VM that we do not announce, or whose port went, says where to ask: for all of its addresses, because one that
 * speaks IPv4 may never say anything of IPv6.
 */
function ask(world: World, heard: Heard, address: IpAddress): void {
  const { watch, endpoint, said, vlan } = heard;
  for (const meant of identify(world.bindings, { mac: said.mac, vlan, vrf: watch.vrf, address }).addresses) {
    if (admit(rulesOf(world, watch), { ...claimOf(world, heard), kind: 'answer' }, meant).verdict !== 'accepted') continue;
    const key = addressKey(watch.vrf, meant);
    const h = world.locRib.handovers.get(key);
    const elsewhere = h?.state === 'leaving' && h.endpoint?.ifindex !== endpoint.ifindex;
    if (h === undefined || h.state === 'withdrawn' || elsewhere) sendProbe(world, key, meant, endpoint);
  }
}

/** Runs `claim` for every address that the announcement means and that identity admits; everything else is counted with its reason. */
function forEachAdmitted(world: World, heard: Heard, kind: Announcement['kind'], claim: (address: IpAddress) => Verdict | undefined): void {
  const { said, watch, vlan } = heard;
  const identified = identify(world.bindings, { mac: said.mac, vlan, vrf: watch.vrf, ...(said.address === undefined ? {} : { address: said.address }) });
  const rules = rulesOf(world, watch);
  if (identified.addresses.length === 0) {
    const { verdict, reason } = admit(rules, { ...claimOf(world, heard), kind }, undefined);
    return refuseHeard(world, heard, verdict, reason);
  }
  for (const address of identified.addresses) {
    const admission = admit(rules, { ...claimOf(world, heard), kind }, address);
    if (admission.verdict !== 'accepted') {
      if (admission.early === true) handle(world, watch.vrf, address, { type: 'HeardEarly', kind: kind === 'answer' ? 'arp' : kind, endpoint: heard.endpoint });
      if (admission.verdict === 'conflict' && heard.place.role === 'local' && world.config.identity.mode === 'learn') rememberClaimant(world, watch.vrf, address, heard.endpoint);
      refuseHeard(world, heard, admission.verdict, admission.reason, address);
      continue;
    }
    if (admission.learns) remember(world, heard, address);
    const verdict = claim(address);
    if (verdict === undefined || verdict === 'accepted') {
      count(world.counters.announcements, heard.place.bridge, heard.said.kind, 'accepted');
    } else {
      refuseHeard(world, heard, verdict, reasons[verdict] ?? verdict, address);
    }
  }
}

const reasons: Partial<Record<Verdict, string>> = {
  repeat: 'says nothing new',
  early: 'while another claim stands, only a RARP counts on a port that can speak before its VM, and no frame that was read late',
  conflict: 'the VM\'s own port is alive, or a rival claims an address that answers here',
  gated: 'the policy gate of this port is shut: the claim waits for it',
  flap: 'the address moved too often between nodes that both show life: it is held',
  held: 'the address is held, and another node stands by its claim',
  table_full: 'no room for more addresses',
};

function remember(world: World, heard: Heard, address: IpAddress): void {
  const before = learnedOwner(world.bindings, heard.watch.vrf, address);
  if (before?.mac !== heard.said.mac || before.vlan !== heard.vlan) world.unsaved = true;
  const { gone } = learn(world.bindings.learned, {
    vrf: heard.watch.vrf, vlan: heard.vlan, mac: heard.said.mac, address, ifindex: heard.endpoint.ifindex,
    ...(heard.said.address === address ? {} : { unnamed: true as const }),
  }, world.now.monotonicMs, undefined, heard.place.role === 'local' ? (ifindex) => isLivePort(world, ifindex) : undefined);
  for (const pair of gone) {
    // What stood on that pair stands on nothing: the VM is asked, and its silence withdraws it.
    if (pair.address !== address && world.locRib.handovers.has(addressKey(pair.vrf, pair.address))) handle(world, pair.vrf, pair.address, { type: 'PortGone' });
    note(world, { level: 'debug', room: 'identity', event: 'identity.refused', fields: { address: pair.address, mac: pair.mac, text: 'learned pair gave way' } });
  }
}

function claimOf(world: World, heard: Heard) {
  const { said, watch, vlan, place } = heard;
  return {
    mac: said.mac, vlan, vrf: watch.vrf, role: place.role, port: claimPort(world, place.port), kind: said.kind,
    ...(said.address === undefined ? {} : { address: said.address }),
  };
}

/** What admission may ask about the world, for one watch. */
export function rulesOf(world: World, watch: Watch): AdmitRules {
  return {
    watch: watch.rules,
    identity: world.config.identity,
    bindings: world.bindings,
    isOwnAddress: (address) => isOwnAddress(world.bridges, address),
    takesOver: (claim, address) => takesOver(world, claim, address),
    isAlive: (ifindex) => isLivePort(world, ifindex),
    livesHere: (pair) => livesHere(world, pair),
    livesElsewhere: (mac) => (world.rivalMacs.get(`${watch.vrf}|${mac}`) ?? 0) > 0,
  };
}

function refuseHeard(world: World, heard: Heard, verdict: Verdict, reason: string, address = heard.said.address): void {
  refuse(world, heard.place, {
    verdict, kind: heard.said.kind, reason, mac: heard.said.mac, vlan: heard.vlan, ...(address === undefined ? {} : { address }),
  });
}

function refuse(world: World, place: Place, refusal: Omit<Refusal, 'bridge' | 'port'>): void {
  count(world.counters.announcements, place.bridge, refusal.kind, refusal.verdict);
  const full: Refusal = { ...refusal, bridge: place.bridge, port: place.port.name };
  if (!countIgnored(world.ignored, world.ignoredByPort, world.now, full)) return;
  note(world, {
    level: refusal.verdict === 'conflict' ? 'warn' : 'debug', room: 'garp', publish: 'frame',
    event: refusal.verdict === 'malformed' ? 'frame.malformed' : 'frame.ignored', fields: { ...full },
  });
}
