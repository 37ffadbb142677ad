import { assert } from '../net/assert.ts';
import { ByteWriter } from '../net/bytes.ts';
import { familyOf, isIpv4, isLinkLocal, type Family, type Prefix } from '../net/ip.ts';
import { onlyToCustomerOut } from './role.ts';
import type { RouteAttributes, RouteChange } from './route.ts';
import { prependAsn } from './wire/as-path.ts';
import { headerLength } from './wire/header.ts';
import type { BgpRole, CodecContext, MpReach, PathAttributes, UpdateMessage } from './wire/messages.ts';
import { afiSafiOf } from './wire/mp-nlri.ts';
import { encodedPrefixLength } from './wire/nlri.ts';
import { encodeAttributes } from './wire/path-attributes.ts';

export { endOfRib, endOfRibFamily, routesOf } from './unpack-updates.ts';

/** What of a session decides how routes are written to it. */
export interface PackOptions {
  readonly context: CodecContext;
  readonly localAsn: number;
  /** Those agreed on; changes of others are left out. */
  readonly families: readonly Family[];
  readonly peerType: 'ibgp' | 'ebgp';
  /** What we are to the peer (RFC 9234). */
  readonly role?: BgpRole;
}

/** RFC 4271 section 5.1.5 wants a LOCAL_PREF on each iBGP route; this is what routers assume without one. */
const defaultLocalPref = 100;

/** Header and the two length fields of an UPDATE. */
const emptyUpdateLength = headerLength + 4;

interface Group {
  readonly attributes: RouteAttributes;
  readonly family: Family;
  readonly prefixes: Prefix[];
}

/**
 * Turns a difference into UPDATEs: withdraws first, then one UPDATE per set of equal Path Attributes (the same object or
 * the same value), split where it would exceed `context.maxMessageLength`. Of several changes to one prefix the last one
 * counts. A route whose attributes alone fill a message is withdrawn instead (RFC 8654 section 5).
 */
export function packUpdates(changes: readonly RouteChange[], session: PackOptions): UpdateMessage[] {
  const withdrawn: Record<Family, Prefix[]> = { 'ipv4-unicast': [], 'ipv6-unicast': [] };
  const announced: RouteChange[] = [];
  for (const change of lastPerPrefix(changes)) {
    const prefix = change.type === 'announce' ? change.route.prefix : change.prefix;
    const family = familyOf(prefix);
    if (!session.families.includes(family)) continue;
    // RFC 8950 section 4: not to a peer that never said it would take it.
    const unheard = change.type === 'announce' && family === 'ipv4-unicast' && !isIpv4(change.route.attributes.nextHop) && session.context.extendedNextHop !== true;
    if (change.type === 'announce' && !unheard) announced.push(change);
    else withdrawn[family].push(prefix);
  }
  const updates: UpdateMessage[] = [];
  for (const group of groupByAttributes(announced)) {
    if (!packGroup(updates, group, session)) withdrawn[group.family].push(...group.prefixes);
  }
  const withdraws: UpdateMessage[] = [];
  packWithdraws(withdraws, 'ipv4-unicast', withdrawn['ipv4-unicast'], session.context);
  packWithdraws(withdraws, 'ipv6-unicast', withdrawn['ipv6-unicast'], session.context);
  return withdraws.length === 0 ? updates : withdraws.concat(updates);
}

function lastPerPrefix(changes: readonly RouteChange[]): Iterable<RouteChange> {
  if (changes.length < 2) return changes;
  const last = new Map<Prefix, RouteChange>();
  for (const change of changes) {
    last.set(change.type === 'announce' ? change.route.prefix : change.prefix, change);
  }
  return last.values();
}

function groupByAttributes(announced: readonly RouteChange[]): Iterable<Group> {
  const groups = new Map<string, Group>();
  const keys = new Map<RouteAttributes, string>();
  for (const change of announced) {
    if (change.type !== 'announce') continue;
    const { prefix, attributes } = change.route;
    const family = familyOf(prefix);
    let key = announced.length === 1 ? '' : keys.get(attributes);
    if (key === undefined) keys.set(attributes, (key = keyOf(attributes)));
    const familyKey = family + key;
    const group = groups.get(familyKey);
    if (group === undefined) groups.set(familyKey, { attributes, family, prefixes: [prefix] });
    else group.prefixes.push(prefix);
  }
  return groups.values();
}

/** Equal for equal values, in whatever order an object was put together. */
function keyOf(a: RouteAttributes): string {
  let key = `${a.origin} ${a.nextHop} ${a.linkLocalNextHop} ${a.med} ${a.localPref} ${a.originatorId} ${a.clusterList?.join()} ${a.communities.join()}`;
  for (const { type, asns } of a.asPath) key += ` ${type} ${asns.join()}`;
  for (const { globalAdmin, localData1, localData2 } of a.largeCommunities) key += ` ${globalAdmin}:${localData1}:${localData2}`;
  return key;
}

/** @returns false, with nothing written, if not even one prefix fits beside the attributes. */
function packGroup(updates: UpdateMessage[], { attributes, family, prefixes }: Group, session: PackOptions): boolean {
  const room = session.context.maxMessageLength - emptyUpdateLength;
  const largest = family === 'ipv4-unicast' ? 5 : 17;
  const common = pathAttributes(attributes, session);
  const build = (nlri: readonly Prefix[]): UpdateMessage => updateOf(family, attributes, common, nlri);
  if (estimate(attributes) + prefixes.length * largest <= room) {
    updates.push(build(prefixes));
    return true;
  }
  const writer = new ByteWriter(1024);
  encodeAttributes(writer, build([]).attributes, session.context);
  // MP_REACH_NLRI may grow a second length octet once it holds prefixes.
  const left = room - writer.length - (isIpv4(attributes.nextHop) ? 0 : 1);
  if (left < largest) return false;
  for (const nlri of split(prefixes, left)) updates.push(build(nlri));
  return true;
}

/** No attributes of ours take more octets than this; lets the usual case do without encoding twice. */
function estimate(a: RouteAttributes): number {
  const asns = a.asPath.reduce((sum, { asns }) => sum + 8 + asns.length * 8, 16);
  return 160 + asns + a.communities.length * 4 + a.largeCommunities.length * 12 + (a.clusterList?.length ?? 0) * 4;
}

function pathAttributes(a: RouteAttributes, { localAsn, peerType, role }: PackOptions): PathAttributes {
  const common: { -readonly [Key in keyof PathAttributes]: PathAttributes[Key] } = {
    origin: a.origin,
    asPath: peerType === 'ebgp' ? prependAsn(a.asPath, localAsn) : a.asPath,
    communities: a.communities,
    largeCommunities: a.largeCommunities,
  };
  if (a.med !== undefined) common.med = a.med;
  const otc = onlyToCustomerOut(a.onlyToCustomer, role, localAsn);
  if (peerType === 'ebgp' && otc !== undefined) common.onlyToCustomer = otc;
  if (peerType === 'ibgp') {
    common.localPref = a.localPref ?? defaultLocalPref;
    if (a.originatorId !== undefined) common.originatorId = a.originatorId;
    if (a.clusterList !== undefined) common.clusterList = a.clusterList;
  }
  return common;
}

function updateOf(family: Family, a: RouteAttributes, common: PathAttributes, nlri: readonly Prefix[]): UpdateMessage {
  const ipv4 = family === 'ipv4-unicast';
  if (ipv4 && isIpv4(a.nextHop)) return { type: 'UPDATE', withdrawn: [], attributes: { ...common, nextHop: a.nextHop }, nlri };
  assert(!isIpv4(a.nextHop), 'an IPv6 route has an IPv6 next hop');
  const reach: MpReach = { ...afiSafiOf(family), nextHop: a.nextHop, nlri };
  // Without a global address the link-local one stands in both places, as routers write it and all of them read it.
  const linkLocalNextHop = a.linkLocalNextHop ?? (isLinkLocal(a.nextHop) ? a.nextHop : undefined);
  const mpReach = linkLocalNextHop === undefined ? reach : { ...reach, linkLocalNextHop };
  return { type: 'UPDATE', withdrawn: [], attributes: { ...common, mpReach }, nlri: [] };
}

function packWithdraws(updates: UpdateMessage[], family: Family, prefixes: readonly Prefix[], context: CodecContext): void {
  if (prefixes.length === 0) return;
  const ipv4 = family === 'ipv4-unicast';
  // MP_UNREACH_NLRI: flags, code, two octets of length, AFI and SAFI.
  for (const withdrawn of split(prefixes, context.maxMessageLength - emptyUpdateLength - (ipv4 ? 0 : 7))) {
    updates.push(
      ipv4
        ? { type: 'UPDATE', withdrawn, attributes: {}, nlri: [] }
        : { type: 'UPDATE', withdrawn: [], attributes: { mpUnreach: { ...afiSafiOf(family), withdrawn } }, nlri: [] },
    );
  }
}

function* split(prefixes: readonly Prefix[], room: number): Generator<readonly Prefix[]> {
  let from = 0;
  let used = 0;
  for (const [i, prefix] of prefixes.entries()) {
    const length = encodedPrefixLength(prefix);
    if (used + length > room) {
      yield prefixes.slice(from, i);
      from = i;
      used = 0;
    }
    used += length;
  }
  yield from === 0 ? prefixes : prefixes.slice(from);
}
