import type { DrainItem } from './items.ts';
import { formatTime } from './units.ts';
import type { View } from './view.ts';

export const drainView: View<DrainItem> = {
  none: 'no answer',
  name: (item) => item.state,
  columns: [
    { header: 'DRAIN', cell: (item) => item.state },
    { header: 'SINCE', cell: (item) => (item.since === undefined ? undefined : formatTime(item.since)) },
    { header: 'ROUTES', align: 'right', cell: (item) => item.routes },
  ],
};
