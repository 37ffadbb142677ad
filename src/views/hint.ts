import type { HintItem } from './items.ts';
import type { View } from './view.ts';

export const hintView: View<HintItem> = {
  none: 'nothing came of it',
  name: (item) => item.prefix,
  columns: [
    { header: 'PREFIX', cell: (item) => item.prefix },
    { header: 'VM', cell: (item) => item.vm },
    { header: 'STATE', cell: (item) => item.state },
    { header: 'NODE', cell: (item) => item.node },
  ],
};
