import { printable } from '../../net/printable.ts';
import type { ListReply } from './items.ts';
import { formatTable } from './table.ts';
import type { View } from './view.ts';

export type OutputFormat = 'table' | 'wide' | 'json' | 'yaml' | 'jsonl' | 'name';
export const outputFormats: readonly OutputFormat[] = ['table', 'wide', 'json', 'yaml', 'jsonl', 'name'];

export interface OutputStyle {
  readonly format: OutputFormat;
  readonly headers: boolean;
  readonly color: boolean;
  /** The writer of YAML; the one package for it belongs to `config/`. */
  toYaml(value: unknown): string;
}

/** A reply as text for standard output, in the format asked for; the same data in each. */
export function formatReply<Item, Row>(reply: ListReply<Item>, view: View<Item, Row>, style: OutputStyle): string {
  const { items } = reply;
  switch (style.format) {
    case 'json': return `${escapeControls(JSON.stringify(reply, undefined, 2))}\n`;
    case 'jsonl': return items.map((item) => `${escapeControls(JSON.stringify(item))}\n`).join('');
    case 'yaml': return escapeYaml(style.toYaml(reply));
    case 'name': return items.map((item) => `${printable(view.name(item), 1000)}\n`).join('');
    case 'table': case 'wide': {
      if (view.text !== undefined) return view.text(items);
      const rows = items.flatMap((item) => view.rows?.(item) ?? [item as unknown as Row]);
      return formatTable(view.columns, rows, { wide: style.format === 'wide', headers: style.headers, color: style.color });
    }
  }
}

/** DEL and the C1 controls, which JSON leaves as they are and some terminals obey. */
export function escapeControls(json: string): string {
  return json.replace(/[\x7f-\x9f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same for YAML, whose writer spells out what it must, but no more. */
function escapeYaml(yaml: string): string {
  return yaml.replace(/[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
