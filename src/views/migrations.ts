import { printable } from '../../net/printable.ts';
import type { MigrationItem } from './items.ts';
import type { View } from './view.ts';
import { formatMs, formatTime } from './units.ts';

export const migrationsView: View<MigrationItem> = {
  none: 'no migrations',
  name: (item) => item.id,
  columns: [
    { header: 'ID', cell: (item) => item.id },
    { header: 'VM', cell: (item) => item.vm },
    { header: 'PREFIX', cell: (item) => item.prefix },
    { header: 'DIR', cell: (item) => item.direction },
    { header: 'PEER NODE', cell: (item) => item.peerNode },
    { header: 'STARTED', cell: (item) => formatTime(item.startedAt) },
    { header: 'SEEN BY', cell: (item) => item.seenBy },
    { header: 'ANNOUNCED', cell: (item) => formatMs(item.announceSeconds) },
    { header: 'REFLECTED', cell: (item) => formatMs(item.reflectedSeconds) },
    // On the source it is this node's own route that goes.
    { header: 'SOURCE GONE', cell: (item) => formatMs(item.sourceGoneSeconds ?? (item.direction === 'out' ? item.withdrawnSeconds : undefined)) },
    { header: 'RESULT', cell: (item) => item.result },
    { header: 'MAC', wide: true, cell: (item) => item.mac },
    { header: 'VRF', wide: true, cell: (item) => item.vrf },
  ],
};

/** The timeline of one migration: milliseconds since the first sign, right-aligned, then what happened. */
export const migrationView: View<MigrationItem> = {
  none: 'no such migration',
  name: (item) => item.id,
  columns: [],
  text(items) {
    const lines = items.flatMap((item) => item.timeline);
    const width = Math.max(0, ...lines.map((line) => line.event.length));
    return lines
      .map(({ atSeconds, event, text }) => {
        const at = `${(atSeconds * 1000).toFixed(1)} ms`.padStart(10);
        return `${at}  ${printable(event).padEnd(width)}  ${printable(text, 1000)}`.trimEnd() + '\n';
      })
      .join('');
  },
};
