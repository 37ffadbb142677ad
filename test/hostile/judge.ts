import type { Case, Expectation, RouteName } from './case.ts';

/** What the peer saw, and what the speaker then had of the case's routes. */
export interface Observed {
  /** The session was Established, as far as the peer can tell. */
  readonly established: boolean;
  readonly notification?: { readonly code: number; readonly subcode: number; readonly data: string };
  /** The connection has ended, at the speaker's wish. */
  readonly closed: boolean;
  readonly routes: ReadonlySet<RouteName>;
  /** What the table means: routes as received, or those that are used. */
  readonly table: 'adj-rib-in' | 'loc-rib';
  /** The speaker's process died. */
  readonly crashed?: boolean;
}

/** Nothing if the speaker did one of the right things, else what it did. */
export function judge(one: Case, seen: Observed): string | undefined {
  if (seen.crashed !== true && one.expect.some((expectation) => meets(expectation, seen))) return undefined;
  return describe(seen);
}

function meets(expectation: Expectation, seen: Observed): boolean {
  const { notification, closed, routes } = seen;
  switch (expectation.type) {
    case 'reset':
      return notification !== undefined && closed && notification.code === expectation.code
        && (expectation.subcodes.length === 0 || expectation.subcodes.includes(notification.subcode))
        && (expectation.data === undefined || expectation.data === notification.data);
    case 'silent':
      return notification === undefined && closed;
    case 'open':
      return notification === undefined && !closed;
    case 'up':
      return notification === undefined && !closed && routes.has('4:9') && expectation.has.every((name) => routes.has(name))
        && expectation.not.every((name) => !routes.has(name))
        && (seen.table === 'adj-rib-in' || expectation.notUsed.every((name) => !routes.has(name)));
  }
}

/** In a few words: `NOTIFICATION 3/1`, `up, has 4:1 4:9`, `closed`. */
export function describe({ crashed, notification, closed, routes, established }: Observed): string {
  if (crashed === true) return 'crashed';
  if (notification !== undefined) {
    const { code, subcode, data } = notification;
    return `NOTIFICATION ${code}/${subcode}${code === 2 && subcode === 1 ? ` data ${data === '' ? 'none' : data}` : ''}${closed ? '' : ', connection left open'}`;
  }
  if (closed) return 'closed without a word';
  const has = [...routes].sort().join(' ');
  return `${established ? 'up' : 'no session'}, has ${has === '' ? 'nothing' : has}`;
}
