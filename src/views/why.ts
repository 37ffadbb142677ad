import { printable } from '../../net/printable.ts';
import type { WhyItem } from './items.ts';
import { formatTable, type Column } from './table.ts';
import type { View } from './view.ts';

const columns: readonly Column<WhyItem['checks'][number]>[] = [
  { header: '', cell: (line) => ({ ok: 'ok', fail: 'FAIL', unknown: '?' })[line.result] },
  { header: '', cell: (line) => line.check },
  { header: '', cell: (line) => line.text },
];

/** The answer as one sentence, then every check with its result. */
export const whyView: View<WhyItem> = {
  none: 'no answer',
  name: (item) => item.address,
  columns: [],
  text: (items) =>
    items.map((item) => `${printable(item.answer, 1000)}\n${formatTable(columns, item.checks, { wide: true, headers: false, color: false })}`).join('\n'),
};
