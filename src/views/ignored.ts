import type { IgnoredItem } from './items.ts';
import type { View } from './view.ts';
import { formatTime } from './units.ts';

export const ignoredView: View<IgnoredItem> = {
  none: 'nothing was ignored',
  name: (item) => item.verdict,
  columns: [
    { header: 'LAST', cell: (item) => formatTime(item.at) },
    { header: 'COUNT', align: 'right', cell: (item) => item.count },
    { header: 'VERDICT', cell: (item) => item.verdict },
    { header: 'KIND', cell: (item) => item.kind },
    { header: 'PORT', cell: (item) => item.port },
    { header: 'MAC', cell: (item) => item.mac },
    { header: 'VLAN', align: 'right', cell: (item) => item.vlan },
    { header: 'ADDRESS', cell: (item) => item.address },
    { header: 'BRIDGE', wide: true, cell: (item) => item.bridge },
    { header: 'REASON', cell: (item) => item.reason },
  ],
};
