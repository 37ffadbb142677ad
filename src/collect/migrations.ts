import { hostPrefix } from '../../net/ip.ts';
import type { Migration } from '../../routes/migrations.ts';
import type { MigrationItem } from '../views/items.ts';
import { printable } from '../../net/printable.ts';
import type { World } from '../world.ts';
import { seconds, timeText } from './time.ts';

export function collectMigrations(world: World, filter: { readonly id?: string; readonly sinceSeconds?: number; readonly vm?: string }): MigrationItem[] {
  const oldest = filter.sinceSeconds === undefined ? -Infinity : world.now.monotonicMs - filter.sinceSeconds * 1000;
  return world.migrations.all.slice(-world.migrations.keep)
    .filter((m) => (filter.id === undefined || m.id === filter.id) && m.startMs >= oldest && (filter.vm === undefined || m.vm === filter.vm))
    .map(collectMigration)
    .reverse();
}

export function collectMigration(m: Migration): MigrationItem {
  const since = (atMs: number | undefined): number | undefined => (atMs === undefined ? undefined : seconds(m.startMs, atMs));
  const announceSeconds = since(m.announcedAtMs);
  const reflectedSeconds = since(m.reflectedAtMs);
  const sourceGoneSeconds = since(m.sourceGoneAtMs);
  const withdrawnSeconds = since(m.withdrawnAtMs);
  return {
    id: m.id, ...(m.vm === undefined ? {} : { vm: printable(m.vm) }), prefix: hostPrefix(m.address), vrf: m.vrf, ...(m.mac === undefined ? {} : { mac: m.mac }),
    direction: m.direction, ...(m.peerNode === undefined ? {} : { peerNode: m.peerNode }), startedAt: timeText(m.startWallMs), seenBy: m.seenBy,
    ...(announceSeconds === undefined ? {} : { announceSeconds }), ...(reflectedSeconds === undefined ? {} : { reflectedSeconds }),
    ...(m.heldMs === undefined ? {} : { heldSeconds: seconds(0, m.heldMs) }),
    ...(sourceGoneSeconds === undefined ? {} : { sourceGoneSeconds }), ...(withdrawnSeconds === undefined ? {} : { withdrawnSeconds }),
    ...(m.deliverable === undefined ? {} : { deliverable: m.deliverable }),
    result: m.result,
    timeline: m.timeline.map((line) => ({
      atSeconds: seconds(m.startMs, line.atMs), event: line.event, text: printable(line.text, 400), ...(line.peer === undefined ? {} : { peer: line.peer }),
    })),
  };
}
