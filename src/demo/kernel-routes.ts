import type { NodeName } from './addresses.ts';
import type { Namespaces } from './namespaces.ts';
import { Daemon } from './processes.ts';

/** A line of `ip monitor route` at a router, read. */
export interface KernelRouteEvent {
  /** Wall clock, ms. */
  readonly at: number;
  readonly prefix: string;
  readonly deleted: boolean;
  /** The interface it leaves by; undefined for a multipath route. */
  readonly device?: string;
  readonly multipath: boolean;
}

/** Reads a line of `ip -ts -o monitor route`; undefined for lines about anything but host routes in the main table. */
export function parseMonitorLine(line: string): KernelRouteEvent | undefined {
  const match = /^\[(\S+?)\] (Deleted )?(?:unicast )?([0-9a-f.:]+)(\/\d+)? (.*)$/.exec(line);
  if (match === null || / table local /.test(` ${match[5]} `)) return undefined;
  const address = match[3] as string;
  const length = match[4] ?? (address.includes(':') ? '/128' : '/32');
  if (length !== '/32' && length !== '/128') return undefined;
  const rest = match[5] as string;
  const multipath = /\bnexthop\b/.test(rest);
  const device = /\bdev (\S+)/.exec(rest)?.[1];
  return { at: parseTime(match[1] as string), prefix: address + length, deleted: match[2] !== undefined, multipath, ...(multipath || device === undefined ? {} : { device }) };
}

/** `2026-11-25T13:37:33.420496`, local time, keeping the microseconds that `Date` would drop. */
function parseTime(text: string): number {
  const [whole, fraction = '0'] = text.split('.');
  return new Date(whole as string).getTime() + Number(`0.${fraction}`) * 1000;
}

/** Follows the kernel's routing table in one namespace from now on. */
export class RouteWatch {
  readonly events: KernelRouteEvent[] = [];
  readonly #daemon: Daemon;

  constructor(namespaces: Namespaces, short: string) {
    this.#daemon = new Daemon(`${short}/ip-monitor`, namespaces.exec(short, ['ip', '-ts', '-o', 'monitor', 'route']), {
      onLine: (line) => {
        const event = parseMonitorLine(line);
        if (event !== undefined) this.events.push(event);
      },
    });
  }

  /** The first route of `prefix` through `device` at or after `from`. */
  firstVia(prefix: string, device: string, from: number): KernelRouteEvent | undefined {
    return this.events.find((event) => event.prefix === prefix && !event.deleted && event.device === device && event.at >= from);
  }

  /** Every multipath route that was ever seen. */
  get multipath(): KernelRouteEvent[] {
    return this.events.filter((event) => event.multipath);
  }

  stop(): Promise<void> {
    return this.#daemon.stop();
  }
}

interface IpRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly nexthops?: readonly { readonly dev: string }[];
}

/** The host routes in a namespace's main table: prefix → the interfaces that they leave by (more than one: multipath). */
export async function kernelHostRoutes(namespaces: Namespaces, short: string): Promise<Map<string, string[]>> {
  const both = await Promise.all([namespaces.ipJson(short, ['-4', 'route', 'show']), namespaces.ipJson(short, ['-6', 'route', 'show'])]);
  const routes = new Map<string, string[]>();
  (both as IpRoute[][]).forEach((list, i) => {
    for (const route of list) {
      if (route.dst === 'default' || /\/(?!32$|128$)\d+$/.test(route.dst)) continue;
      const prefix = route.dst.includes('/') ? route.dst : `${route.dst}${i === 0 ? '/32' : '/128'}`;
      routes.set(prefix, [...(routes.get(prefix) ?? []), ...(route.nexthops?.map((hop) => hop.dev) ?? [route.dev ?? ''])]);
    }
  });
  return routes;
}

/** The ToR's interface towards a node. */
export function torPort(node: NodeName): string {
  return `${node}0`;
}
