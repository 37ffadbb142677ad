import { familyOf, type Family, type Prefix } from '../net/ip.ts';
import type { RouteAttributes, RouteChange } from './route.ts';
import type { PathAttributes, UpdateMessage } from './wire/messages.ts';
import { afiSafiOf, familyOfAfiSafi } from './wire/mp-nlri.ts';

/** RFC 4724 section 2: all routes of the family have been sent. */
export function endOfRib(family: Family): UpdateMessage {
  const attributes = family === 'ipv4-unicast' ? {} : { mpUnreach: { ...afiSafiOf(family), withdrawn: [] } };
  return { type: 'UPDATE', withdrawn: [], attributes, nlri: [] };
}

/** The family whose End-of-RIB this is, or `undefined`. */
export function endOfRibFamily({ withdrawn, attributes, nlri }: UpdateMessage): Family | undefined {
  if (withdrawn.length > 0 || nlri.length > 0) return undefined;
  const { mpUnreach, ...others } = attributes;
  if (Object.keys(others).length > 0) return undefined;
  if (mpUnreach === undefined) return 'ipv4-unicast';
  return mpUnreach.withdrawn.length === 0 ? familyOfAfiSafi(mpUnreach) : undefined;
}

/**
 * What a received UPDATE changes, withdraws first: a prefix that is in both fields is announced (RFC 4271 section 4.3).
 * Routes of one family share their attributes object. Routes that an error withdraws (RFC 7606), or that have no next hop, are
 * withdrawn; those of multicast prefixes are left out (RFC 4271 section 6.3). Families that landfall does not speak give nothing.
 */
export function routesOf(update: UpdateMessage): RouteChange[] {
  const { withdrawn, withdrawnPathIds, attributes, nlri, pathIds } = update;
  const { mpReach, mpUnreach, nextHop } = attributes;
  const changes: RouteChange[] = [];
  const bad = update.problems?.some(({ handling }) => handling === 'treat-as-withdraw') === true;
  withdraw(changes, withdrawn, withdrawnPathIds);
  withdraw(changes, mpUnreach?.withdrawn ?? [], mpUnreach?.pathIds);
  if (nlri.length > 0) {
    if (bad || nextHop === undefined) withdraw(changes, nlri, pathIds);
    else announce(changes, routeAttributes(attributes, { nextHop }), nlri, pathIds);
  }
  if (mpReach !== undefined && mpReach.nlri.length > 0) {
    const { nextHop: hop, linkLocalNextHop } = mpReach;
    if (bad || hop === undefined) withdraw(changes, mpReach.nlri, mpReach.pathIds);
    else announce(changes, routeAttributes(attributes, linkLocalNextHop === undefined ? { nextHop: hop } : { nextHop: hop, linkLocalNextHop }), mpReach.nlri, mpReach.pathIds);
  }
  return changes;
}

function withdraw(changes: RouteChange[], prefixes: readonly Prefix[], pathIds: readonly number[] | undefined): void {
  for (const [i, prefix] of prefixes.entries()) changes.push({ type: 'withdraw', prefix, ...path(pathIds, i) });
}

function announce(changes: RouteChange[], attributes: RouteAttributes, prefixes: readonly Prefix[], pathIds: readonly number[] | undefined): void {
  for (const [i, prefix] of prefixes.entries()) {
    if (!isMulticast(prefix)) changes.push({ type: 'announce', route: { prefix, attributes }, ...path(pathIds, i) });
  }
}

function path(pathIds: readonly number[] | undefined, i: number): { readonly pathId?: number } {
  const pathId = pathIds?.[i];
  return pathId === undefined ? {} : { pathId };
}

function isMulticast(prefix: Prefix): boolean {
  return familyOf(prefix) === 'ipv4-unicast' ? parseInt(prefix, 10) >> 4 === 14 : prefix.startsWith('ff') && prefix[4] === ':';
}

function routeAttributes(a: PathAttributes, hop: Pick<RouteAttributes, 'nextHop' | 'linkLocalNextHop'>): RouteAttributes {
  const result: { -readonly [Key in keyof RouteAttributes]: RouteAttributes[Key] } = {
    ...hop,
    origin: a.origin ?? 'INCOMPLETE',
    asPath: a.asPath ?? [],
    communities: a.communities ?? [],
    largeCommunities: a.largeCommunities ?? [],
  };
  if (a.med !== undefined) result.med = a.med;
  if (a.localPref !== undefined) result.localPref = a.localPref;
  if (a.originatorId !== undefined) result.originatorId = a.originatorId;
  if (a.clusterList !== undefined) result.clusterList = a.clusterList;
  if (a.onlyToCustomer !== undefined) result.onlyToCustomer = a.onlyToCustomer;
  return result;
}
