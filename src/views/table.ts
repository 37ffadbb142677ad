import CliTable from 'cli-table3';
import { printable } from '../../net/printable.ts';

/** How a cell is coloured, where colour is wanted at all. */
export type Tone = 'good' | 'warn' | 'bad';

export interface Column<Row> {
  readonly header: string;
  /** Shown with `-o wide` only. */
  readonly wide?: true;
  readonly align?: 'right';
  /** `undefined` prints `-`: there is, or was measured, nothing. An empty string stays empty. */
  cell(row: Row): string | number | undefined;
  tone?(row: Row): Tone | undefined;
}

export interface TableStyle {
  readonly wide: boolean;
  readonly headers: boolean;
  readonly color: boolean;
}

/** Characters that a cell shows at most. */
const cellLimit = 1000;

const codes: Readonly<Record<Tone, string>> = { good: '\x1b[32m', warn: '\x1b[33m', bad: '\x1b[31m' };

const noBorders = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
};

/** A table without borders, two spaces between columns, one line per row. Every line ends in a line feed; no rows and no headers give ''. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], style: TableStyle): string {
  const shown = columns.filter((column) => style.wide || column.wide !== true);
  const table = new CliTable({
    chars: noBorders,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: shown.map((column) => column.align ?? 'left'),
    head: style.headers ? shown.map((column) => column.header) : [],
  });
  for (const row of rows) table.push(shown.map((column) => formatCell(column, row, style.color)));
  if (rows.length === 0 && !style.headers) return '';
  return table.toString().split('\n').map((line) => `${line.trimEnd()}\n`).join('');
}

function formatCell<Row>(column: Column<Row>, row: Row, color: boolean): string {
  const value = column.cell(row);
  const text = value === undefined ? '-' : printable(String(value), cellLimit);
  const tone = color ? column.tone?.(row) : undefined;
  return tone === undefined ? text : `${codes[tone]}${text}\x1b[39m`;
}
