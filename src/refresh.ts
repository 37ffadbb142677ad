import type { Family, Prefix } from '../net/ip.ts';
import { familyOf } from '../net/ip.ts';

/**
 * A refresh that a peer marks (RFC 7313): between its beginning and its end every route that stands is sent again, and what was not is
 * gone. Held per peer; a family is there while its refresh runs.
 */
export type Refreshes = Map<Family, Set<Prefix>>;

/** The refresh of a family begins: all that is held of it is in doubt. */
export function beginRefresh(refreshes: Refreshes, family: Family, held: Iterable<Prefix>): void {
  const doubtful = new Set<Prefix>();
  for (const prefix of held) if (familyOf(prefix) === family) doubtful.add(prefix);
  refreshes.set(family, doubtful);
}

/** A route was sent again. */
export function confirmRoute(refreshes: Refreshes, prefix: Prefix): void {
  if (refreshes.size > 0) refreshes.get(familyOf(prefix))?.delete(prefix);
}

/** The refresh ends. @returns what was not sent again; nothing where none had begun. */
export function endRefresh(refreshes: Refreshes, family: Family): readonly Prefix[] {
  const doubtful = refreshes.get(family);
  refreshes.delete(family);
  return doubtful === undefined ? [] : [...doubtful];
}
