import { errorNames } from '../bgp/wire/iana.ts';
import { familyOf, type IpAddress } from '../net/ip.ts';
import { count, type Counts } from './metrics/counts.ts';
import { newHistogram, observe, type Histogram } from './metrics/histogram.ts';
import type { Note } from './world.ts';

/** Seconds. */
const announceBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const routerBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What is counted of notes. Everything else that metrics tell is read from the speaker's state when they are asked for. */
export interface Metrics {
  /** Peer, to. */
  readonly transitions: Counts;
  /** Peer, direction, `code.subcode`. */
  readonly notifications: Counts;
  /** Direction, result. */
  readonly migrations: Counts;
  /** By address family. */
  readonly announce: Readonly<Record<'ipv4' | 'ipv6', Histogram>>;
  /** By peer. */
  readonly reflected: Map<string, Histogram>;
  readonly sourceGone: Map<string, Histogram>;
  /** When the configuration that runs was read. */
  readonly reload: { successWallMs: number };
}

/** @param wallMs when the configuration that runs was loaded. */
export function newMetrics(wallMs: number): Metrics {
  return {
    transitions: new Map(), notifications: new Map(), migrations: new Map(),
    announce: { ipv4: newHistogram(announceBounds), ipv6: newHistogram(announceBounds) },
    reflected: new Map(), sourceGone: new Map(), reload: { successWallMs: wallMs },
  };
}

/** Counts what a note tells. Called for every note, whatever the level of the log, and after the bytes for the routers are out. */
export function takeNote(metrics: Metrics, { event, peer = '', fields }: Note, wallMs: number): void {
  switch (event) {
    case 'session.transition':
      count(metrics.transitions, peer, String(fields['to']));
      return;
    case 'notification.sent':
    case 'notification.received':
      count(metrics.notifications, peer, event === 'notification.sent' ? 'sent' : 'received', notificationName(Number(fields['code']), Number(fields['subcode'])));
      return;
    case 'migration.started':
      if (fields['direction'] === 'in') observe(metrics.announce[afiOf(fields['address'] as IpAddress)], Number(fields['announceSeconds']) - Number(fields['heldSeconds'] ?? 0) - Number(fields['waitedSeconds'] ?? 0));
      return;
    case 'migration.reflected':
      observe(histogramOf(metrics.reflected, peer), Number(fields['reflectedSeconds']));
      return;
    case 'migration.sourceGone':
      observe(histogramOf(metrics.sourceGone, peer), Number(fields['sourceGoneSeconds']));
      return;
    case 'migration.finished':
      count(metrics.migrations, String(fields['direction']), String(fields['result']));
      return;
    case 'config.loaded':
      metrics.reload.successWallMs = wallMs;
      return;
    default:
      return;
  }
}

/** What was counted of a peer that is gone goes with it. */
export function forgetPeers(metrics: Metrics, isThere: (peer: string) => boolean): void {
  for (const counts of [metrics.transitions, metrics.notifications]) for (const key of counts.keys()) if (!isThere(key.split('\0')[0] as string)) counts.delete(key);
  for (const histograms of [metrics.reflected, metrics.sourceGone]) for (const peer of histograms.keys()) if (!isThere(peer)) histograms.delete(peer);
}

/** The histogram of a peer, which is there from the first time that anyone asks. */
export function histogramOf(histograms: Map<string, Histogram>, peer: string): Histogram {
  let histogram = histograms.get(peer);
  if (histogram === undefined) {
    histogram = newHistogram(routerBounds);
    histograms.set(peer, histogram);
  }
  return histogram;
}

export function afiOf(address: IpAddress): 'ipv4' | 'ipv6' {
  return familyOf(address) === 'ipv4-unicast' ? 'ipv4' : 'ipv6';
}

/** `6.2`; numbers that no RFC knows are `other`, so that a hostile peer can't make series without end. */
function notificationName(code: number, subcode: number): string {
  const known = errorNames[code];
  if (known === undefined) return 'other.other';
  return `${code}.${known.subcodes[subcode] === undefined && subcode !== 0 ? 'other' : subcode}`;
}
