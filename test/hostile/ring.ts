import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, sleep, waitFor } from '../../src/demo/processes.ts';
import { prefixOf, speakerIdentifier, type Case, type Mode, type RouteName } from './case.ts';
import type { Observed } from './judge.ts';
import type { PeerRun, PeerSaw } from './peer-main.ts';
import { createSpeaker, hostAddresses, type SpeakerKind } from './speakers.ts';

/** Cases that run beside each other, each from an address of its own. */
const batchSize = 60;

/**
 * Runs cases against a speaker in network namespaces: batches at the same time; where the speaker dies in one, its halves again until
 * the case that kills it is known.
 */
export async function runOnSpeaker(kind: SpeakerKind, mode: Mode, cases: readonly Case[], onSeen: (one: Case, seen: Observed) => void): Promise<void> {
  for (let from = 0; from < cases.length; from += batchSize) await runBatch(kind, mode, cases.slice(from, from + batchSize), onSeen);
}

async function runBatch(kind: SpeakerKind, mode: Mode, batch: readonly Case[], onSeen: (one: Case, seen: Observed) => void): Promise<void> {
  const result = await playBatch(kind, mode, batch);
  if (result !== 'died') {
    for (const [i, one] of batch.entries()) onSeen(one, result[i] as Observed);
    return;
  }
  if (batch.length === 1) {
    onSeen(batch[0] as Case, { established: false, closed: true, routes: new Set(), table: 'loc-rib', crashed: true });
    return;
  }
  const half = batch.length >> 1;
  await runBatch(kind, mode, batch.slice(0, half), onSeen);
  await runBatch(kind, mode, batch.slice(half), onSeen);
}

let count = 0;

async function playBatch(kind: SpeakerKind, mode: Mode, batch: readonly Case[]): Promise<'died' | Observed[]> {
  const namespaces = new Namespaces(`lfh${process.pid}n${++count}`);
  const folder = makeFolder();
  const slots = batch.map((_, slot) => slot);
  const speaker = createSpeaker(kind, namespaces, folder, mode, slots);
  let peer: Daemon | undefined;
  try {
    for (const name of ['router', 'node']) await namespaces.create(name);
    await namespaces.ip('router', [
      'link add br0 type bridge', 'link add eth0 type veth peer name eth0 netns @node', 'link set eth0 up', `address add ${speakerIdentifier}/24 dev eth0`,
      'address add 2001:db8::1/64 dev eth0 nodad',
    ]);
    await namespaces.ip('node', ['link set eth0 up', ...hostAddresses(slots)]);
    await speaker.start();
    const saw = new Map<number, PeerSaw>();
    const runs: PeerRun[] = batch.map(({ name }, slot) => ({ name, mode, slot }));
    const script = fileURLToPath(new URL('./peer-main.ts', import.meta.url));
    peer = new Daemon('peer', namespaces.exec('node', [process.execPath, '--import', 'tsx', script, JSON.stringify(runs)]), {
      onLine: (line) => {
        const one = JSON.parse(line) as PeerSaw;
        saw.set(one.slot, one);
      },
    });
    await waitFor('the peers', 60_000, () => saw.size === batch.length || peer?.alive === false, 50);
    await sleep(300);
    if (!await speaker.lives()) return 'died';
    const prefixes = new Set(await speaker.prefixes());
    return slots.map((slot) => observedOf(saw.get(slot) as PeerSaw, prefixes, speaker.table));
  } finally {
    await peer?.stop('SIGKILL');
    await speaker.stop();
    await namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
  }
}

const names: readonly RouteName[] = (['4', '6'] as const).flatMap((family) => [1, 2, 3, 5, 9].map((n): RouteName => `${family}:${n}`));

function observedOf({ slot, established, closed, notification }: PeerSaw, prefixes: ReadonlySet<string>, table: Observed['table']): Observed {
  return {
    established, closed, table, routes: new Set(names.filter((name) => prefixes.has(prefixOf(name, slot)))),
    ...(notification === undefined ? {} : { notification }),
  };
}
