import { isatty } from 'node:tty';
import pino from 'pino';
import type { LogLevel } from '../config/config.ts';
import { printable } from '../net/printable.ts';
import { openLineSink, type LineSink } from './io/line-sink.ts';

/**
 * Everything that landfall logs, by name (docs/logging.md). Info: states and routes changed. Debug: each frame. Warn: a peer or
 * an operator is wrong. Error: we are wrong.
 */
export type LogEvent =
  | 'arrival.expected'
  | 'api.closed' | 'api.failed' | 'api.listening' | 'api.refused' | 'api.request'
  | 'bfd.problem' | 'bfd.transition'
  | 'bridge.changed' | 'bridge.resync'
  | 'capture.closed' | 'capture.dropped' | 'capture.failed' | 'capture.opened'
  | 'claim.undeliverable' | 'claim.unordered'
  | 'config.loaded' | 'config.refused' | 'config.session' | 'config.warning'
  | 'daemon.failed' | 'daemon.ready' | 'daemon.started' | 'daemon.stopped' | 'daemon.stopping' | 'daemon.warning'
  | 'drain.ended' | 'drain.started' | 'drain.withdrawn'
  | 'fabric.finding'
  | 'frame.accepted' | 'frame.ignored' | 'frame.malformed'
  | 'gate.opened' | 'gate.timedOut'
  | 'handover.held' | 'handover.refused' | 'handover.transition'
  | 'hint.ended' | 'hint.taken' | 'hold.cleared' | 'hold.ended'
  | 'identity.learned' | 'identity.refused'
  | 'kernel.problem'
  | 'kubernetes.labels' | 'kubernetes.problem'
  | 'log.lost'
  | 'migration.finished' | 'migration.reflected' | 'migration.sourceGone' | 'migration.started'
  | 'mrt.lost' | 'mrt.written'
  | 'notification.received' | 'notification.sent'
  | 'override.cleared' | 'override.set'
  | 'port.added' | 'port.removed' | 'port.unlisted'
  | 'range.forgotten' | 'range.full'
  | 'route.announced' | 'route.limited' | 'route.received' | 'route.refused' | 'route.withdrawn'
  | 'session.problem' | 'session.rekeyed' | 'session.stale' | 'session.transition'
  | 'station.connected' | 'station.lost'
  | 'state.failed' | 'state.recovered' | 'state.refused' | 'state.restored'
  | 'telemetry.closed' | 'telemetry.failed' | 'telemetry.listening' | 'telemetry.refused';

/** Same key, same meaning everywhere. Octets may be given as they are: they are written as hex. Never put a secret here. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** A log whose lines all carry the room, and the peer where the lines are about one. */
  child(owner: { readonly room: string; readonly peer?: string }): Log;
  /** `wallMs`: when it happened, where that is not now. */
  write(level: LogLevel, event: LogEvent, fields?: LogFields, wallMs?: number): void;
  /** Whether a line of this level would be written: for callers whose fields cost something to gather. */
  enabled(level: LogLevel): boolean;
  /** Changes the level of this log and of all its relatives. */
  setLevel(level: LogLevel): void;
  /** Changes the format of this log and of all its relatives. */
  setFormat(format: LogOptions['format']): void;
  /** Hands to the kernel what is buffered. Also happens at the end of each turn of the event loop and when the process exits. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: JSON when standard error is no terminal, else text. */
  readonly format: 'auto' | 'json' | 'text';
  /** Where the lines go: a file descriptor or a path. Default: standard error. */
  readonly destination?: number | string;
}

const rank: Readonly<Record<LogLevel, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50 };

/** One per process. */
interface Shared {
  level: number;
  text: boolean;
  readonly sink: LineSink;
  readonly destination: number | string;
  /** How many lost lines a line has told of. */
  lostTold: number;
  /** The time of the line that is being written. */
  wallMs: number;
}

/**
 * Opens the log. Lines go into a buffer and from there, synchronously, to the destination at the end of the same turn of the
 * event loop: a claim is on its way to the routers before its line costs a system call, and a crash loses nothing (`exit` flushes).
 */
export function createLog(options: LogOptions): Log {
  const destination = options.destination ?? 2;
  const shared: Shared = {
    level: rank[options.level],
    text: isText(options.format, destination),
    destination,
    sink: openLineSink(destination),
    lostTold: 0,
    wallMs: 0,
  };
  const root = pino(
    { base: null, level: 'trace', timestamp: () => `,"time":"${new Date(shared.wallMs).toISOString()}"`, formatters: { level: (label) => ({ level: label }) } },
    shared.sink,
  );
  return makeLog(shared, root, '');
}

function isText(format: LogOptions['format'], destination: number | string): boolean {
  return format === 'text' || (format === 'auto' && typeof destination === 'number' && isatty(destination));
}

function makeLog(shared: Shared, lines: pino.Logger, owner: string, bound?: Readonly<Record<string, unknown>>): Log {
  const put = (level: LogLevel, event: LogEvent, fields: LogFields | undefined, wallMs = Date.now()): void => {
    shared.wallMs = wallMs;
    const copy = fields === undefined ? {} : (clean(fields, 0) as Record<string, unknown>);
    for (const key in bound) if (key in copy) delete copy[key];   // one key, once in a line
    if (shared.text) shared.sink.write(textLine(level, owner, event, copy, wallMs));
    else lines[level]({ event, ...copy });
  };
  return {
    child(bindings) {
      const name = bindings.peer === undefined ? bindings.room : `${bindings.room} ${printable(bindings.peer, 253)}`;
      const keys = clean(bindings, 0) as Record<string, unknown>;
      return makeLog(shared, lines.child(keys), name, keys);
    },
    write(level, event, fields, wallMs) {
      if (rank[level] < shared.level) return;
      const lost = shared.sink.lost;
      put(level, event, fields, wallMs);
      if (lost === shared.lostTold || shared.sink.lost !== lost) return;
      put('warn', 'log.lost', { lines: lost - shared.lostTold });
      shared.lostTold = lost;
    },
    enabled: (level) => rank[level] >= shared.level,
    setLevel(level) {
      shared.level = rank[level];
    },
    setFormat(format) {
      shared.text = isText(format, shared.destination);
    },
    flush: shared.sink.flush,
  };
}

function textLine(level: LogLevel, owner: string, event: LogEvent, fields: Readonly<Record<string, unknown>>, wallMs: number): string {
  let line = `${new Date(wallMs).toISOString()} ${level.padEnd(5)} ${owner === '' ? '' : `${owner}: `}${event}`;
  for (const key in fields) line += ` ${key}=${textValue(fields[key])}`;
  return `${line}\n`;
}

function textValue(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'object' ? JSON.stringify(value) : String(value);
  return /^[^\s"=]+$/.test(value) ? value : `"${value.replaceAll('"', '\\"')}"`;
}

/** Keys whose value never reaches a line, whoever put it there. */
const secretKeys: ReadonlySet<string> = new Set(['password', 'secret', 'md5Key', 'token']);
const textLimit = 1000;
const depthLimit = 4;
const listLimit = 100;
const octetLimit = 4096;

/** A copy of what is logged with all text printable, octets as hex, and nothing without a limit. */
function clean(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string': return printable(value, textLimit);
    case 'number': case 'boolean': return value;
    case 'undefined': return undefined;
    case 'object': break;
    default: return printable(String(value), textLimit);
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, Math.min(value.length, octetLimit)).toString('hex');
  if (value instanceof Error) return printable(value.message, textLimit);
  if (depth >= depthLimit) return '…';
  if (Array.isArray(value)) return value.slice(0, listLimit).map((item) => clean(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (item === undefined) continue;
    copy[printable(key, 100)] = secretKeys.has(key) ? '(removed)' : clean(item, depth + 1);
  }
  return copy;
}
