import { printable } from '../../net/printable.ts';

/** What one line of a watch on a Node says. */
export type WatchLine =
  | { readonly type: 'node'; readonly labels: Readonly<Record<string, string>>; readonly uid?: string; readonly version?: string }
  | { readonly type: 'bookmark'; readonly version?: string }
  | { readonly type: 'deleted'; readonly version?: string }
  /** The version that the watch began at is too old (410 Gone): it begins anew without one. */
  | { readonly type: 'expired' }
  | { readonly type: 'problem'; readonly text: string };

/** Labels of a Node at most; a usual one has some twenty. */
const labelLimit = 1000;
const keyLimit = 317;
const valueLimit = 253;

/** Reads one line, whatever it holds. */
export function parseWatchLine(line: string): WatchLine {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return { type: 'problem', text: 'a line of the watch is no JSON' };
  }
  const { type, object } = asRecord(event);
  const { metadata } = asRecord(object);
  const { resourceVersion, uid, labels } = asRecord(metadata);
  const version = typeof resourceVersion === 'string' && /^[\x21-\x7e]{1,64}$/.test(resourceVersion) ? { version: resourceVersion } : {};
  switch (type) {
    case 'ADDED': case 'MODIFIED':
      return { type: 'node', labels: labelsFrom(labels), ...(typeof uid === 'string' && /^[\x21-\x7e]{1,64}$/.test(uid) ? { uid } : {}), ...version };
    case 'BOOKMARK': return { type: 'bookmark', ...version };
    case 'DELETED': return { type: 'deleted', ...version };
    case 'ERROR': {
      const { code, message } = asRecord(object);
      return code === 410 ? { type: 'expired' } : { type: 'problem', text: printable(typeof message === 'string' ? message : `error ${String(code)}`, 200) };
    }
    default: return { type: 'problem', text: 'a line of the watch is of no known type' };
  }
}

/** Labels that could be labels; what could not is left out, so that nothing of it reaches a configuration. */
export function labelsFrom(value: unknown): Record<string, string> {
  const found = Object.entries(asRecord(value)).filter((entry): entry is [string, string] => {
    const [key, text] = entry;
    return typeof text === 'string' && key.length <= keyLimit && text.length <= valueLimit && /^[\x21-\x7e]+$/.test(key) && /^[\x21-\x7e]*$/.test(text) && key !== '__proto__';
  });
  return Object.fromEntries(found.slice(0, labelLimit));
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
