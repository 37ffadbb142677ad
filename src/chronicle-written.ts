import { formatCommunity, formatLargeCommunity } from '../bgp/community.ts';
import { isLeaving } from '../routes/preference.ts';
import { addLine, type Migration, type Sent } from '../routes/migrations.ts';
import { note, type World } from './world.ts';

/**
 * The UPDATEs of the dispatch before are with the kernel: that is the announce time of the handovers they were for.
 * @param at when each peer's last byte was handed over, monotonic ms; where it does not say, now.
 * @returns the claims that were announced for the first time
 */
export function takeWritten(world: World, at: ReadonlyMap<string, number> | undefined): Migration[] {
  const claims: Migration[] = [];
  for (const migration of [...world.writing.values()].flat()) {
    if (migration.sent.length === 0) continue;
    let lastMs = -Infinity;
    for (const sent of migration.sent) addLine(migration, sent.atMs, sent.attributes === undefined ? 'withdrawn' : 'announced', describeSent(sent), sent.peer);
    for (const { peer } of migration.sent) {
      const writtenMs = at?.get(peer) ?? world.now.monotonicMs;
      lastMs = Math.max(lastMs, writtenMs);
      addLine(migration, writtenMs, 'written', `${peer}: last UPDATE byte handed to the kernel`, peer);
    }
    migration.sent.length = 0;
    if (migration.direction === 'in' && migration.announcedAtMs === undefined) {
      started(world, migration, lastMs);
      claims.push(migration);
    }
    world.outputs.push({ type: 'history', migration });
  }
  world.writing.clear();
  return claims;
}

function started(world: World, migration: Migration, writtenMs: number): void {
  migration.announcedAtMs = writtenMs;
  if (migration.result === 'active') migration.result = 'announced';
  note(world, {
    level: 'info', room: 'routes', event: 'migration.started', publish: 'migration',
    fields: {
      id: migration.id, address: migration.address, direction: migration.direction, seenBy: migration.seenBy,
      announceSeconds: Math.round(writtenMs * 1000 - migration.startMs * 1000) / 1e6,
      ...(migration.heldMs === undefined ? {} : { heldSeconds: Math.round(migration.heldMs * 1000) / 1e6 }),
      ...(migration.waitedMs === undefined ? {} : { waitedSeconds: Math.round(migration.waitedMs * 1000) / 1e6 }),
      ...(migration.vm === undefined ? {} : { vm: migration.vm }),
    },
  });
}

/** `tor-a: local-pref 200, 65010:200`, `tor-b: med 0, 65010:200`. The large communities that every route of ours bears are left out. */
function describeSent({ peer, ibgp, attributes }: Sent): string {
  if (attributes === undefined) return `${peer}: route withdrawn`;
  const { localPref, med, communities, largeCommunities } = attributes;
  const preference = ibgp ? `local-pref ${localPref}` : `med ${med}`;
  const marks = largeCommunities.length > 3 ? largeCommunities.slice(0, -3).map(formatLargeCommunity) : [];
  return `${peer}: ${isLeaving(communities) ? 'leaving, ' : ''}${[preference, ...communities.map(formatCommunity), ...marks].join(', ')}`;
}
