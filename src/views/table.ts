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

/** A table without borders, two spaces between columns, one line per row. Every line ends in a line feed; no rows and no headers give ''. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], style: TableStyle): string {
  const shown = columns.filter((column) => style.wide || column.wide !== true);
  const cells = rows.map((row) => shown.map((column) => formatCell(column.cell(row))));
  const lines = style.headers ? [shown.map((column) => column.header), ...cells] : cells;
  const widths = shown.map((_, at) => lines.reduce((width, line) => Math.max(width, (line[at] as string).length), 0));
  const firstRow = lines.length - rows.length;
  return lines.map((line, at) => formatLine(shown, line, widths, style.color ? rows[at - firstRow] : undefined)).join('');
}

/** Without `row`: no colour. */
function formatLine<Row>(columns: readonly Column<Row>[], line: readonly string[], widths: readonly number[], row: Row | undefined): string {
  let text = '';
  columns.forEach((column, at) => {
    const cell = line[at] as string;
    const space = ' '.repeat((widths[at] as number) - cell.length);
    const tone = row === undefined || cell === '' ? undefined : column.tone?.(row);
    const shown = tone === undefined ? cell : `${codes[tone]}${cell}\x1b[39m`;
    text += `${at > 0 ? '  ' : ''}${column.align === 'right' ? space + shown : shown + space}`;
  });
  return `${text.trimEnd()}\n`;
}

/** One column per character: what is printed is ASCII. */
function formatCell(value: string | number | undefined): string {
  return value === undefined ? '-' : printable(String(value), cellLimit);
}
