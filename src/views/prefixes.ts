import type { PrefixItem } from './items.ts';
import type { Tone } from './table.ts';
import type { View } from './view.ts';
import { formatDuration, formatRemaining } from './units.ts';

const tones: Readonly<Partial<Record<PrefixItem['state'], Tone>>> = { elevated: 'good', leaving: 'warn', held: 'bad', manual: 'warn' };

export const prefixesView: View<PrefixItem> = {
  none: 'no prefixes',
  name: (item) => item.prefix,
  columns: [
    { header: 'PREFIX', cell: (item) => item.prefix },
    { header: 'VM', cell: (item) => item.vm },
    { header: 'STATE', cell: (item) => item.state, tone: (item) => tones[item.state] },
    { header: 'LOCAL-PREF', align: 'right', cell: (item) => item.localPref },
    { header: 'MED', align: 'right', cell: (item) => item.med },
    { header: 'COMMUNITIES', cell: (item) => list(item.communities) },
    { header: 'PEERS', align: 'right', cell: (item) => `${item.peers.sent}/${item.peers.of}` },
    { header: 'SINCE', cell: (item) => formatDuration(item.sinceSeconds) },
    { header: 'NEXT', cell: (item) => (item.next === undefined ? undefined : `${item.next.state} in ${formatRemaining(item.next.inSeconds)}`) },
    { header: 'MAC', wide: true, cell: (item) => item.mac },
    { header: 'VLAN', wide: true, align: 'right', cell: (item) => item.vlan },
    { header: 'PORT', wide: true, cell: (item) => item.port },
    { header: 'SOURCE', wide: true, cell: (item) => item.source },
  ],
};

function list(texts: readonly string[]): string | undefined {
  return texts.length === 0 ? undefined : texts.join(' ');
}
