import { type AnnouncementKind, isOrdinary } from '../garp/announcement.ts';
import type { PortRole } from '../bridge/ports.ts';
import { type IpAddress, isUnusable } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { printable } from '../net/printable.ts';
import { type BindingOptions, type BindingTable, type Claimant, bindingsOf, holdersOf, isKnownMac, isShared, learnedOwner } from './bindings.ts';
import { routePairOf } from './from-routes.ts';
import { type ClaimPort, type PortStanding, standingOf } from './ports.ts';
import { type IsAlive, type LearnLimits, type LearnedPair, defaultLearnLimits, hasRoom } from './learned.ts';
import { type WatchRules, findPrefix, isWatchedVlan } from './watch-rules.ts';

/** Every verdict on a frame, in the words of `show ignored`, `show why` and the metrics. */
export type Verdict =
  | 'accepted' | 'repeat' | 'early' | 'reflection' | 'malformed' | 'not_evidence' | 'source_mismatch' | 'no_binding'
  | 'outside_prefixes' | 'excluded' | 'wrong_vlan' | 'wrong_port' | 'conflict' | 'flap' | 'future' | 'gated' | 'held'
  | 'rate' | 'table_full';

/** Who may claim, as the configuration gives it. */
export interface IdentityOptions {
  readonly mode: 'strict' | 'learn';
  readonly onConflict: 'keep' | 'newest';
  /** May a port that bears no mark of its guest take an address over that another node claims? */
  readonly unverifiedPorts: 'allow' | 'refuse';
}

/** All that a verdict depends on. */
export interface AdmitRules {
  readonly watch: WatchRules;
  readonly identity: IdentityOptions;
  readonly bindings: BindingTable;
  /** An address of this node itself. */
  readonly isOwnAddress: (address: IpAddress) => boolean;
  /** Is the owner of a learned pair seen behind a live local port of this node? */
  readonly livesHere: (pair: LearnedPair) => boolean;
  /** Does a peer show another node's claim for an address of this MAC? */
  readonly livesElsewhere: (mac: Mac) => boolean;
  /** Would the claim take the address from another node whose claim stands? Not so where this port holds it already. */
  readonly takesOver: (claim: Claim, address: IpAddress) => boolean;
  /** Does this local port live? */
  readonly isAlive?: IsAlive;
  /** Default: those of `learned.ts`. */
  readonly limits?: LearnLimits;
}

/** What admission needs of a sighting. */
export interface Claim extends Claimant {
  readonly kind: AnnouncementKind;
  readonly role: PortRole;
  readonly port: ClaimPort;
}

export interface Admission {
  readonly verdict: Verdict;
  /** Words for people, printable ASCII. */
  readonly reason: string;
  /** True if an accepted pair is (to be) remembered by `learn`: no binding says it. */
  readonly learns: boolean;
  /** The frame would count if no other node claimed the address: to be remembered until that node gives it up. */
  readonly early?: true;
}

/**
 * May this sighting claim this address? Any verdict but *accepted* moves nothing. `address` is `undefined` for a RARP that means no address
 * at all. Checks go from what is cheap and says most about the sender to what needs the tables; the first that fails names the verdict.
 */
export function admit(rules: AdmitRules, claim: Claim, address: IpAddress | undefined): Admission {
  const { watch } = rules;
  if (claim.role === 'unlisted') return refuse('wrong_port', 'port is in neither ports.local nor ports.uplink');
  const port: PortStanding = claim.role === 'local' ? standingOf(rules.bindings, claim) : { standing: 'unmarked' };
  if (port.standing === 'wrong') return refuse('wrong_port', port.reason);
  if (!isWatchedVlan(watch, claim.vlan)) return refuse('wrong_vlan', `VLAN ${claim.vlan} is not watched on this bridge`);
  if (!watch.kinds.has(claim.kind)) {
    return refuse('not_evidence', `${isOrdinary(claim.kind) ? 'any-arp' : claim.kind} is not in watch.announcements`);
  }
  if (address === undefined) return admitNothing(rules, claim);
  const excluded = exclusion(rules, address);
  if (excluded !== undefined) return refuse('excluded', excluded);
  const found = findPrefix(watch, address);
  if (found === undefined) return refuse('outside_prefixes', 'outside watch.prefixes');
  if (found.standing !== 'host') return refuse('excluded', `${found.standing} address of ${found.prefix}`);
  const owner = admitOwner(rules, claim, address, `inside ${found.prefix}`);
  if (owner.verdict !== 'accepted' || port.standing === 'verified' || claim.role !== 'local') return owner;
  if (rules.identity.unverifiedPorts === 'allow' || !rules.takesOver(claim, address)) return owner;
  return { ...refuse('wrong_port', 'another node claims the address, and the port bears no mark of its guest (unverifiedPorts)'), early: true };
}

/** A RARP whose MAC means no address. */
function admitNothing(rules: AdmitRules, claim: Claim): Admission {
  if (!isKnownMac(rules.bindings, claim.vrf, claim.mac, claim.vlan)) return refuse('no_binding', 'RARP carries no IP, and this MAC has no binding');
  return refuse('not_evidence', 'RARP carries no IP, and all addresses of this MAC are shared');
}

function exclusion(rules: AdmitRules, address: IpAddress): string | undefined {
  if (rules.watch.exclude.has(address)) return 'in watch.exclude';
  if (rules.isOwnAddress(address)) return 'an address of this node';
  if (isUnusable(address)) return 'no host address';
  return undefined;
}

function admitOwner(rules: AdmitRules, claim: Claim, address: IpAddress, inside: string): Admission {
  const { bindings, identity } = rules;
  const holders = holdersOf(bindings, claim.vrf, address);
  if (holders.length > 0) {
    const mine = holders.find((holder) => holder.mac === claim.mac && (holder.vlan === undefined || holder.vlan === claim.vlan));
    if (mine !== undefined) return { verdict: 'accepted', reason: `binding ${printable(mine.vm)}; ${inside}`, learns: false };
    return refuseStranger(holders, claim);
  }
  return identity.mode === 'strict' ? refuse('no_binding', noBinding(bindingsOf(bindings, claim.vrf, claim.mac, claim.vlan))) : admitLearned(rules, claim, address, inside);
}

/**
 * Mode learn, and no binding names the address. What this node heard itself counts for most, then the word of other nodes' routes; an
 * owner whose MAC lives nowhere gives way.
 */
function admitLearned(rules: AdmitRules, claim: Claim, address: IpAddress, inside: string): Admission {
  const { bindings, identity } = rules;
  const owner = learnedOwner(bindings, claim.vrf, address);
  if (owner !== undefined && owner.mac === claim.mac && owner.vlan === claim.vlan) return accept(`learned pair; ${inside}`);
  const route = routePairOf(bindings.routes, claim.vrf, address);
  const told = route !== undefined && route.mac === claim.mac;
  // Ordinary ARP, or an NS, is evidence for pairs that are known, it makes none.
  if (isOrdinary(claim.kind) && !told) return refuse('no_binding', `ordinary ${claim.kind.toUpperCase()} of a pair that is not known`);
  // Of a shared address the newest claim always is the right one.
  const keeps = identity.onConflict === 'keep' && !isShared(bindings, claim.vrf, address);
  if (owner !== undefined && keeps && (rules.livesHere(owner) || (!told && rules.livesElsewhere(owner.mac)))) {
    return refuse('conflict', `learned for ${owner.mac} in VLAN ${owner.vlan}, which is alive`);
  }
  if (route?.stands === true && !told && keeps) return refuse('conflict', `node ${route.node} claims it for ${route.mac}`);
  if (!hasRoom(bindings.learned, { vrf: claim.vrf, mac: claim.mac, ifindex: claim.port.ifindex }, rules.limits ?? defaultLearnLimits, claim.role === 'local' ? rules.isAlive : undefined)) {
    return refuse('table_full', 'no room for more learned pairs of this port');
  }
  if (told) return accept(`told by the route of node ${route.node}; ${inside}`);
  if (owner === undefined) return accept(`first heard; ${inside}`);
  return accept(`takes over from ${owner.mac} in VLAN ${owner.vlan}, ${keeps ? 'which lives nowhere' : identity.onConflict === 'newest' ? 'onConflict is newest' : 'the address is shared'}; ${inside}`);
}

/** A pair that no binding says: to be remembered. */
function accept(reason: string): Admission {
  return { verdict: 'accepted', reason, learns: true };
}

/** The address is bound, but not to this MAC in this VLAN. */
function refuseStranger(holders: readonly BindingOptions[], claim: Claim): Admission {
  const elsewhere = holders.find((holder) => holder.mac === claim.mac);
  if (elsewhere !== undefined) return refuse('wrong_vlan', `binding ${printable(elsewhere.vm)} is for VLAN ${elsewhere.vlan}`);
  const holder = holders[0] as BindingOptions;
  return refuse('conflict', `bound to ${printable(holder.vm)} (${holder.mac})`);
}

function noBinding(own: readonly BindingOptions[]): string {
  const first = own[0];
  return first === undefined ? 'this MAC has no binding' : `binding ${printable(first.vm)} does not name this address`;
}

function refuse(verdict: Exclude<Verdict, 'accepted'>, reason: string): Admission {
  return { verdict, reason, learns: false };
}
