import type { View } from './view.ts';

/** An item of one of several nodes. */
type AtNode<Item> = Item & { readonly atNode: string };

/** The same view for items of many nodes: a column more, or a heading for each node. */
export function viewByNode<Item extends object, Row>(view: View<Item, Row>): View<AtNode<Item>, { readonly atNode: string; readonly row: Row }> {
  const { text } = view;
  return {
    none: view.none,
    name: (item) => `${item.atNode} ${view.name(item)}`,
    rows: (item) => (view.rows?.(item) ?? [item as unknown as Row]).map((row) => ({ atNode: item.atNode, row })),
    columns: [
      { header: 'NODE', cell: ({ atNode }) => atNode },
      ...view.columns.map((column) => ({
        header: column.header, cell: ({ row }: { readonly row: Row }) => column.cell(row),
        ...(column.wide === undefined ? {} : { wide: column.wide }), ...(column.align === undefined ? {} : { align: column.align }),
        ...(column.tone === undefined ? {} : { tone: ({ row }: { readonly row: Row }) => column.tone?.(row) }),
      })),
    ],
    ...(text === undefined ? {} : {
      text: (items) => [...new Set(items.map(({ atNode }) => atNode))].map((node) => `${node}:\n${text(items.filter(({ atNode }) => atNode === node))}`).join('\n'),
    }),
  };
}
