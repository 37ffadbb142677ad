import type { Column } from './table.ts';

/** How one kind of item is shown. */
export interface View<Item, Row = Item> {
  /** What standard error says when there is none, e.g. `no prefixes`. */
  readonly none: string;
  /** What `-o name` prints. */
  name(item: Item): string;
  /** The lines that an item takes in a table. Left out: one, the item itself. */
  rows?(item: Item): readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** Instead of a table, for a kind that is shown as text. */
  text?(items: readonly Item[]): string;
}
