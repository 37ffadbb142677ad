import { readFileSync } from 'node:fs';
import { missingBridges, unsupportedBridges } from '../../bridge/locate.ts';
import { formatListenAddress } from '../../config/values.ts';
import { printable } from '../../net/printable.ts';
import type { Now } from '../../net/time.ts';
import type { Backend } from '../backend.ts';
import type { Log } from '../log.ts';
import { newMetrics, takeNote } from '../metrics.ts';
import { renderMetrics, type FeedFacts } from '../metrics/collect.ts';
import type { Note, World } from '../world.ts';
import { serveTelemetry, type TelemetryServer } from './http.ts';
import { answerReadApi } from './read-api.ts';
import { openWeb } from './web.ts';

export interface TelemetryDoor {
  /** For the page; `telemetry.web`. */
  readonly backend: Backend;
  /** The speaker's state as it is. */
  readonly world: () => World;
  readonly now: () => Now;
  readonly version: string;
  /** Frames lost by the packet socket, or `undefined` while there is none. */
  readonly dropped: () => number | undefined;
  readonly feeds: () => FeedFacts;
  readonly warn: (text: string) => void;
  readonly log: Log;
}

/** Counters from the start of the process on, and the server that shows them. */
export interface Telemetry {
  /** Every note, once its bytes are out. */
  note(note: Note, wallMs: number): void;
  /** Opens `telemetry.listen`, unless it is off. Where the port is taken, that is said and nothing else happens. */
  serve(): Promise<void>;
  close(): void;
}

export function openTelemetry(door: TelemetryDoor): Telemetry {
  const metrics = newMetrics(door.now().wallMs);
  const commit = readCommit();
  let server: TelemetryServer | undefined;
  const world = (): World => {
    const present = door.world();
    present.now = door.now();
    return present;
  };
  const web = openWeb({ backend: door.backend, world });
  return {
    note: (note, wallMs) => takeNote(metrics, note, wallMs),
    async serve() {
      const { listen } = door.world().config.telemetry;
      if (listen === undefined) return;
      server = serveTelemetry({
        listen, log: door.log,
        metrics: () => renderMetrics(world(), metrics, { version: door.version, commit, dropped: door.dropped() ?? 0, feeds: door.feeds() }),
        page: (request, response) => {
          const { telemetry, kubernetes } = door.world().config;
          return ((telemetry.web || kubernetes.enabled) && answerReadApi(door.backend, world(), request, response)) || (telemetry.web && web.answer(request, response));
        },
        notReady: () => whyNotReady(world(), door.dropped() !== undefined),
        onFailure: (error) => door.warn(`telemetry.listen ${formatListenAddress(listen)} can't be opened (${error.code ?? error.message}): no metrics, no health checks; name another address or off`),
      });
      await server.listening;
    },
    close() {
      web.close();
      server?.close();
    },
  };
}

/** What stands between this node and hearing its VMs. A configuration that is not valid never gets here; a refused one is the metrics' business. */
function whyNotReady(world: World, capturing: boolean): string[] {
  return [
    ...(capturing ? [] : ['the packet socket is not open']),
    ...missingBridges(world.bridges, world.watches).map((name) => `bridge ${printable(name)} does not exist`),
    ...unsupportedBridges(world.bridges, world.watches).map(({ bridge }) => `${printable(bridge)} is no Linux bridge`),
  ];
}

/** Written beside the program by the build, where it had a repository. */
function readCommit(): string {
  try {
    return printable(readFileSync(new URL('../commit.txt', import.meta.url), 'utf8').trim(), 40);
  } catch {
    return 'unknown';
  }
}
