import { printable } from '../../net/printable.ts';
import type { FindingItem } from './items.ts';
import type { View } from './view.ts';

const topicWidth = 11;

/** One line each, the fix below it, and how many there are. `color` is the view's own: its text is no table. */
export function findingsView(color: boolean): View<FindingItem> {
  return {
    none: 'nothing was checked',
    name: (item) => `${item.result}/${item.topic}`,
    columns: [],
    text: (items) => `${items.map((item) => formatFinding(item, color)).join('')}${summary(items)}\n`,
  };
}

const tones: Readonly<Record<FindingItem['result'], string>> = { ok: '\x1b[32m', fail: '\x1b[31m', warn: '\x1b[33m', skip: '' };

function formatFinding({ result, topic, text, fix }: FindingItem, color: boolean): string {
  const word = (result === 'fail' ? 'FAIL' : result).padEnd(4);
  const shown = color && tones[result] !== '' ? `${tones[result]}${word}\x1b[39m` : word;
  const cure = fix === undefined ? '' : `${' '.repeat(4 + 2 + topicWidth + 2)}fix: ${printable(fix, 400)}\n`;
  return `${shown}  ${printable(topic).padEnd(topicWidth)}  ${printable(text, 600)}\n${cure}`;
}

/** `2 failed, 4 warnings, 1 skipped`. */
export function summary(items: readonly FindingItem[]): string {
  const count = (result: FindingItem['result']): number => items.filter((item) => item.result === result).length;
  const [failed, warnings, skipped] = [count('fail'), count('warn'), count('skip')];
  return `${failed} failed, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${skipped} skipped`;
}
