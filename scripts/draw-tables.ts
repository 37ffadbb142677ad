// `npm run docs` runs this: draws the two state machines from their tables into docs/.
import { readFileSync, writeFileSync } from 'node:fs';
import { cellOf, events, transitions as fsm, type Cell, type FsmEvent } from '../bgp/fsm.ts';
import type { FsmState } from '../bgp/session-contract.ts';
import { transitions as handover } from '../routes/handover.ts';

const docs = new URL('../docs/', import.meta.url);

/** What to draw: a table of cells, and the ways between states that it takes to draw the picture. */
interface Table {
  /** Of the first column. */
  readonly corner: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly string[] }[];
}

interface Way {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

function drawTable({ corner, columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line([corner, ...columns]), line(['---', ...columns.map(() => '---')]), ...rows.map((row) => line([row.name, ...row.cells]))].join('\n');
}

/** One arrow for all ways between the same two states; the labels stand below each other. */
function drawDiagram(first: string, ways: readonly Way[]): string {
  const arrows = new Map<string, string[]>();
  for (const { from, to, label } of ways) {
    const arrow = `${from} --> ${to}`;
    const labels = arrows.get(arrow) ?? [];
    if (!labels.includes(label)) labels.push(label);
    arrows.set(arrow, labels);
  }
  const lines = [...arrows].map(([arrow, labels]) => `  ${arrow}: ${labels.join('<br/>')}`);
  return ['```mermaid', 'stateDiagram-v2', '  direction LR', `  [*] --> ${first}`, ...lines, '```'].join('\n');
}

function drawFsm(): string {
  const states = Object.keys(fsm) as FsmState[];
  const ignored = (state: FsmState, { next, steps }: Cell): boolean => next === state && steps.length === 0;
  // What ends a connection looks alike everywhere: in the picture it is one arrow.
  const label = (state: FsmState, event: FsmEvent | 'otherwise', cell: Cell): string =>
    state !== 'Idle' && cell.next === 'Idle' ? (event === 'ManualStop' ? 'ManualStop' : 'any failure') : event.replace('_with_', '<br/>with_');
  const ways = states.flatMap((state) =>
    events.filter((event) => fsm[state][event] !== undefined && cellOf(state, event).next !== state)
      .map((event): Way => ({ from: state, to: cellOf(state, event).next, label: label(state, event, cellOf(state, event)) })));

  const sections = states.map((state) => {
    const own = events.filter((event) => fsm[state][event] !== undefined);
    const quiet = own.filter((event) => ignored(state, cellOf(state, event)));
    const rows: { name: string; cells: string[] }[] = own.filter((event) => !quiet.includes(event)).map((event) => ({ name: event, cells: stepsOf(cellOf(state, event)) }));
    const otherwise = fsm[state].otherwise;
    rows.push({ name: '*any other event*', cells: ignored(state, otherwise) ? [state, 'ignored'] : stepsOf(otherwise) });
    const said = quiet.length === 0 ? '' : `\nIgnored: ${quiet.join(', ')}.\n`;
    return `## ${state}\n\n${drawTable({ corner: 'event', columns: ['next', 'steps, in order'], rows })}\n${said}`;
  });

  const short = (state: FsmState, event: FsmEvent): string => (ignored(state, cellOf(state, event)) ? '·' : cellOf(state, event).next);
  const overview = drawTable({
    corner: 'event', columns: states, rows: events.map((event) => ({ name: event, cells: states.map((state) => short(state, event)) })),
  });

  return `# The BGP finite state machine

Made by \`npm run docs\` from \`transitions\` in [bgp/fsm.ts](../bgp/fsm.ts): RFC 4271 section 8, one machine per TCP connection. A cell's steps are those
of the RFC's text, in its order; where they differ, a comment in the source says why.

${drawDiagram('Idle', ways)}

The next state of every event (· means ignored):

${overview}

${sections.join('\n')}`;

  function stepsOf({ next, steps }: Cell): string[] {
    return [next, steps.length === 0 ? '' : steps.join(', ')];
  }
}

/** The cells of this table are functions; their names say what they do. */
function drawHandover(): string {
  const names = Object.keys(handover) as (keyof typeof handover)[];
  const states = Object.keys(handover[names[0] as keyof typeof handover]);
  return drawTable({
    corner: 'event', columns: states,
    rows: names.map((event) => {
      const cells: Readonly<Record<string, { readonly name: string }>> = handover[event];
      return { name: event, cells: states.map((state) => (cells[state]?.name === 'ignore' ? '·' : cells[state]?.name ?? '')) };
    }),
  });
}

const begin = '<!-- table: made by npm run docs -->';
const end = '<!-- end of table -->';

/** Puts a drawing between its two marks in a page that is written by hand; a page without them gets a section at its end. */
function place(page: string, title: string, drawing: string): void {
  const file = new URL(page, docs);
  const text = readFileSync(file, 'utf8');
  const marked = `${begin}\n\n${drawing}\n\n${end}`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  writeFileSync(file, from < 0 || to < 0 ? `${text.trimEnd()}\n\n## ${title}\n\n${marked}\n` : `${text.slice(0, from)}${marked}${text.slice(to + end.length)}`);
}

writeFileSync(new URL('bgp-fsm.md', docs), drawFsm());
place('handover.md', 'The table', drawHandover());
