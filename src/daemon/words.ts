import type { Migration } from '../../routes/migrations.ts';
import { timeText } from '../collect/time.ts';
import { eventOf } from '../events.ts';
import { formatHistoryLine } from '../history.ts';
import type { HistoryFile } from '../io/history-file.ts';
import type { Log } from '../log.ts';
import type { EventItem } from '../views/items.ts';
import type { Note } from '../world.ts';

/** What is to be said about what was done: log lines, events, counters, lines of the history file. All of it waits until `sayNow`. */
export class Words {
  /** Those who follow `landfall events`. */
  readonly listeners = new Set<(event: EventItem) => void>();
  /** What `landfall status` warns of. */
  readonly warnings = new Set<string>();
  /** Lines of migrations go here, once it is open. */
  history: HistoryFile | undefined;
  private readonly log: Log;
  private readonly count: (note: Note, wallMs: number) => void;
  private readonly logs = new Map<string, Log>();
  private readonly unsaid: { readonly note: Note; readonly wallMs: number }[] = [];
  /** Migrations whose line in the history file is out of date. */
  private readonly unrecorded = new Set<Migration>();

  /** @param count turns each note into metrics */
  constructor(log: Log, count: (note: Note, wallMs: number) => void) {
    this.log = log;
    this.count = count;
  }

  /** Says it at once, and keeps it for `landfall status`. */
  warn(text: string): void {
    this.warnings.add(text);
    this.log.write('warn', 'daemon.warning', { text });
  }

  later(note: Note, wallMs: number): void {
    this.unsaid.push({ note, wallMs });
  }

  recordLater(migration: Migration): void {
    this.unrecorded.add(migration);
  }

  /** How many notes wait. */
  get waiting(): number {
    return this.unsaid.length;
  }

  get nothingWaits(): boolean {
    return this.unsaid.length === 0 && this.unrecorded.size === 0;
  }

  sayNow(): void {
    for (const { note, wallMs } of this.unsaid.splice(0)) this.say(note, wallMs);
    for (const migration of this.unrecorded) this.history?.append(formatHistoryLine(migration));
    this.unrecorded.clear();
  }

  private say(note: Note, wallMs: number): void {
    const owner = `${note.room} ${note.peer ?? ''}`;
    let log = this.logs.get(owner);
    if (log === undefined) {
      log = this.log.child(note.peer === undefined ? { room: note.room } : { room: note.room, peer: note.peer });
      this.logs.set(owner, log);
    }
    log.write(note.level, note.event, note.fields, wallMs);
    this.count(note, wallMs);
    if (this.listeners.size === 0) return;
    const event = eventOf(note, timeText(wallMs));
    if (event !== undefined) for (const listener of this.listeners) listener(event);
  }
}
