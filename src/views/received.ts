import type { ReceivedItem } from './items.ts';
import type { View } from './view.ts';
import { formatTime } from './units.ts';

export const receivedView: View<ReceivedItem> = {
  none: 'no routes received',
  name: (item) => `${item.prefix} ${item.peer}`,
  columns: [
    { header: 'PREFIX', cell: (item) => item.prefix },
    { header: 'PEER', cell: (item) => item.peer },
    { header: 'KIND', cell: (item) => item.kind, tone: (item) => (item.kind === 'future' ? 'bad' : undefined) },
    { header: 'NEXT HOP', cell: (item) => item.nextHop },
    { header: 'LOCAL-PREF', align: 'right', cell: (item) => item.localPref },
    { header: 'MED', align: 'right', cell: (item) => item.med },
    { header: 'SEQUENCE', align: 'right', cell: (item) => item.sequence },
    { header: 'MAC', cell: (item) => item.mac },
    { header: 'NODE', cell: (item) => item.node },
    { header: 'AS PATH', wide: true, cell: (item) => (item.asPath === '' ? undefined : item.asPath) },
    { header: 'COMMUNITIES', wide: true, cell: (item) => [...item.communities, ...item.largeCommunities].join(' ') || undefined },
    { header: 'SINCE', wide: true, cell: (item) => formatTime(item.since) },
  ],
};
