import { printable } from '../../net/printable.ts';
import type { MigrationItem, PeerItem, StatusItem } from './items.ts';
import { formatTable, type Column } from './table.ts';
import { formatDuration, formatMs, formatTime } from './units.ts';

/** What the daemon answered at one moment. */
export interface TopSample {
  /** Monotonic ms. */
  readonly atMs: number;
  readonly time: string;
  readonly status: StatusItem;
  readonly peers: readonly PeerItem[];
  /** Latest first. */
  readonly migrations: readonly MigrationItem[];
}

export interface TopState {
  readonly now: TopSample;
  /** The one before, from which rates are told; without it they are not. */
  readonly before?: TopSample;
  /** Why there is nothing newer. */
  readonly trouble?: string;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ScreenLine {
  readonly text: string;
  readonly tone?: 'title' | 'bad';
}

const underWay = new Set(['active', 'held', 'announced', 'leaving']);
const style = { wide: false, headers: true, color: false };

interface PeerRow {
  readonly peer: PeerItem;
  readonly out: string | undefined;
  readonly in: string | undefined;
}

const peerColumns: readonly Column<PeerRow>[] = [
  { header: 'PEER', cell: ({ peer }) => peer.name },
  { header: 'STATE', cell: ({ peer }) => peer.state },
  { header: 'UP/DOWN', cell: ({ peer }) => formatDuration(peer.upSeconds ?? peer.downSeconds ?? 0) },
  { header: 'SENT', align: 'right', cell: ({ peer }) => peer.families.reduce((sum, { sent }) => sum + sent, 0) },
  { header: 'RCVD', align: 'right', cell: ({ peer }) => peer.families.reduce((sum, { received }) => sum + received, 0) },
  { header: 'MSG/S OUT', align: 'right', cell: (row) => row.out },
  { header: 'IN', align: 'right', cell: (row) => row.in },
  { header: 'ADDRESS', cell: ({ peer }) => peer.address },
  { header: 'LAST ERROR', cell: ({ peer: { lastError } }) => (lastError === undefined ? undefined : printable(lastError)) },
];

const migrationColumns: readonly Column<MigrationItem>[] = [
  { header: 'ID', cell: (item) => item.id },
  { header: 'STARTED', cell: (item) => formatTime(item.startedAt).slice(11) },
  { header: 'DIR', cell: (item) => item.direction },
  { header: 'RESULT', cell: (item) => item.result },
  { header: 'ANNOUNCED', cell: (item) => formatMs(item.announceSeconds) },
  { header: 'REFLECTED', cell: (item) => formatMs(item.reflectedSeconds) },
  { header: 'SOURCE GONE', cell: (item) => formatMs(item.sourceGoneSeconds ?? (item.direction === 'out' ? item.withdrawnSeconds : undefined)) },
  { header: 'PREFIX', cell: (item) => item.prefix },
  { header: 'VM', cell: (item) => item.vm },
];

/** The whole screen: at most as many lines as it has rows, none wider than it is. What does not fit is left out from the bottom, said in `... n more`. */
export function topScreen(state: TopState, size: ScreenSize): ScreenLine[] {
  const { now } = state;
  const active = now.migrations.filter((item) => underWay.has(item.result));
  const ended = now.migrations.filter((item) => !underWay.has(item.result));
  const lines: ScreenLine[] = [
    { text: headLine(state), tone: 'title' },
    { text: countsLine(state) },
    ...(state.trouble === undefined ? now.status.warnings.slice(0, 3).map((text): ScreenLine => ({ text: printable(`! ${text}`, 1000), tone: 'bad' })) : [{ text: printable(`! ${state.trouble}`, 1000), tone: 'bad' as const }]),
    { text: '' },
    ...section(peerColumns, now.peers.map((peer) => ({ peer, ...ratesOf(peer, state) }))),
    { text: '' },
    { text: `Handovers under way: ${active.length}`, tone: 'title' },
    ...(active.length === 0 ? [] : section(migrationColumns, active.slice(0, 50))),
    { text: '' },
    { text: 'Last handovers', tone: 'title' },
    ...(ended.length === 0 ? [{ text: 'none yet' }] : section(migrationColumns, ended.slice(0, size.rows))),
  ];
  const room = Math.max(1, size.rows - 1);
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), { text: `... ${lines.length - room + 1} more lines` }];
  return [...shown, { text: 'q quits' }].slice(0, size.rows).map((line) => ({ ...line, text: line.text.slice(0, size.columns) }));
}

function headLine({ now: { status, time } }: TopState): string {
  return `landfall ${printable(status.version)} on ${printable(status.node, 253)}${status.dryRun ? ' (dry run)' : ''}  up ${formatDuration(status.uptimeSeconds)}  ${formatTime(time).slice(11)} UTC`;
}

function countsLine(state: TopState): string {
  const { status } = state.now;
  const prefixes = Object.entries(status.prefixes).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${printable(name)}`);
  const frames = rate(state, (sample) => sample.status.capture.frames);
  return [
    `peers ${status.peers.established} of ${status.peers.configured}`, `prefixes ${prefixes.length === 0 ? '0' : prefixes.join(', ')}`,
    `frames ${frames ?? '-'}/s, ${status.capture.dropped} dropped`,
  ].join('   ');
}

function section<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): ScreenLine[] {
  return formatTable(columns, rows, style).trimEnd().split('\n').map((text, at): ScreenLine => (at === 0 ? { text, tone: 'title' } : { text }));
}

function ratesOf(peer: PeerItem, state: TopState): Omit<PeerRow, 'peer'> {
  const of = (direction: 'sent' | 'received') => rate(state, ({ peers }) => {
    const found = peers.find((one) => one.name === peer.name);
    return found === undefined ? undefined : Object.values(found.messages[direction]).reduce((sum, count) => sum + count, 0);
  });
  return { out: of('sent'), in: of('received') };
}

/** Per second since the sample before; `undefined` where a counter began anew. */
function rate({ now, before }: TopState, of: (sample: TopSample) => number | undefined): string | undefined {
  if (before === undefined || now.atMs <= before.atMs) return undefined;
  const [later, earlier] = [of(now), of(before)];
  if (later === undefined || earlier === undefined || later < earlier) return undefined;
  return (((later - earlier) * 1000) / (now.atMs - before.atMs)).toFixed(1);
}
