import type { EventItem } from './views/items.ts';
import type { Note } from './world.ts';

/** A note as the event stream carries it; `undefined` for notes that are for the log alone. */
export function eventOf(note: Note, time: string): EventItem | undefined {
  if (note.publish === undefined) return undefined;
  return { time, type: note.publish, event: note.event, ...(note.peer === undefined ? {} : { peer: note.peer }), ...note.fields };
}
