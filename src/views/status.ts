import type { StatusItem } from './items.ts';
import { formatTable, type Column } from './table.ts';
import { formatDuration, formatTime } from './units.ts';
import type { View } from './view.ts';

const columns: readonly Column<readonly [string, string]>[] = [
  { header: '', cell: ([key]) => key },
  { header: '', cell: ([, value]) => value },
];

/** One screen: what runs, how it is, what is wrong. */
export const statusView: View<StatusItem> = {
  none: 'no status',
  name: (item) => item.node,
  columns: [],
  text: (items) => items.map((item) => formatTable(columns, lines(item), { wide: true, headers: false, color: false })).join('\n'),
};

function lines(item: StatusItem): [string, string][] {
  const { lastMigration, lastReload } = item;
  const counts = Object.entries(item.prefixes);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return [
    ['landfall', `${item.version} on ${item.node}${item.dryRun ? ', dry run: no session is opened' : ''}`],
    ['router ID', `${item.routerId} (${item.routerIdFrom})`],
    ['up', `${formatDuration(item.uptimeSeconds)}, since ${formatTime(item.startedAt)}`],
    ['peers', `${item.peers.established} of ${item.peers.configured} established`],
    ['prefixes', total === 0 ? '0' : `${total}: ${counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`).join(', ')}`],
    [
      'last migration',
      lastMigration === undefined ? '-'
        : [lastMigration.id, lastMigration.vm, lastMigration.prefix, `${lastMigration.direction},`, `${formatTime(lastMigration.startedAt)},`, lastMigration.result]
            .filter((part) => part !== undefined).join(' '),
    ],
    ['last reload', lastReload === undefined ? '-' : `${formatTime(lastReload.at)}, ${lastReload.successful ? 'successful' : 'refused'}`],
    ...(item.drain === undefined ? [] : [['drain', `${item.drain.state} since ${formatTime(item.drain.since ?? '')}, ${item.drain.routes} routes; ends with landfall undrain`] as [string, string]]),
    ['capture', `${item.capture.frames} frames, ${item.capture.dropped} dropped`],
    ...item.warnings.map((warning, index): [string, string] => [index === 0 ? 'warnings' : '', warning]),
    ...(item.warnings.length === 0 ? [['warnings', 'none'] as [string, string]] : []),
  ];
}
