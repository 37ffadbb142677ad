import type { NodeName } from '../addresses.ts';
import { sleep, wallMs, waitFor } from '../processes.ts';
import type { Machine } from './machine.ts';
import type { QmpEvent } from './qmp.ts';

/**
 * `libvirt`: the destination waits for `cont` (-S), the source for `migrate-continue` (pause-before-switchover). `plain`: QEMU does both
 * by itself.
 */
export type Flow = 'libvirt' | 'plain';

/**
 * How a migration ends. `cancelled`: by `migrate_cancel`, in flow `libvirt` while the VM already stands still before the switchover, in
 * flow `plain` while memory is copied. `destination-killed`: the destination's QEMU gets SIGKILL while memory is copied.
 * `abandoned`: it gets SIGKILL when it has loaded everything and waits for `cont`, and the source goes on (flow `libvirt` only).
 */
export type Outcome = 'moved' | 'cancelled' | 'destination-killed' | 'abandoned';

/** What QEMU told of one migration; times are wall clock, ms. */
export interface Migration {
  readonly from: NodeName;
  readonly to: NodeName;
  readonly flow: Flow;
  readonly outcome: Outcome;
  readonly startedAt: number;
  /** STOP at the source; undefined when the VM never stood still. */
  readonly stoppedAt?: number;
  /** RESUME: at the destination, or at the source when the migration was given up. Undefined when the VM never stood still. */
  readonly resumedAt?: number;
  /** Zero of the timeline: RESUME, else the moment at which the migration was over. */
  readonly zeroAt: number;
  /** Memory that was copied, as QEMU counts it. */
  readonly copiedBytes: number;
  readonly events: readonly (QmpEvent & { readonly node: NodeName })[];
}

/** QEMU's own default, and one with which the copy takes seconds, so that it can be broken off; octets a second. */
const fullBandwidth = 128 << 20;
const slowBandwidth = 12 << 20;
/** So much is copied before a migration is broken off, octets. */
const halfWayBytes = 6 << 20;
const patienceMs = 60_000;
/** How long after RESUME libvirt takes to end the source's QEMU, roughly. */
const sourceEndsMs = 100;

/**
 * Moves the VM from `source` to `destination`, which was started for it, or tries to and breaks off. Ends the QEMU that the VM is not in.
 * Throws when QEMU does something else than wanted.
 */
export async function migrate(source: Machine, destination: Machine, flow: Flow, wanted: Outcome, socket: string): Promise<Migration> {
  const first = source.events.length;
  const startedAt = wallMs();
  await prepare(source, destination, flow, isHalfWay(flow, wanted) ? slowBandwidth : fullBandwidth, socket);
  await source.qmp.execute('migrate', { uri: `unix:${socket}` });
  const copiedBytes = await (wanted === 'moved' ? complete(source, destination, flow, first) : breakOff(source, destination, flow, wanted, first));
  const endedAt = wallMs();
  if (wanted === 'moved') await sleep(sourceEndsMs);
  await (wanted === 'moved' ? source : destination).end(wanted === 'moved' ? 'SIGTERM' : 'SIGKILL');
  const told = (machine: Machine, from: number): Migration['events'] => machine.events.slice(from).map((event) => ({ ...event, node: machine.node }));
  const events = [...told(source, first), ...told(destination, 0)].sort((a, b) => a.at - b.at);
  const at = (machine: Machine, name: string): number | undefined => events.find((event) => event.node === machine.node && event.event === name)?.at;
  const stoppedAt = at(source, 'STOP');
  const resumedAt = wanted === 'moved' ? at(destination, 'RESUME') : at(source, 'RESUME');
  return {
    from: source.node, to: destination.node, flow, outcome: wanted, startedAt, events,
    zeroAt: resumedAt ?? events.find((event) => event.node === source.node && event.event === 'MIGRATION' && isOver(event))?.at ?? endedAt,
    copiedBytes,
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
    ...(resumedAt === undefined ? {} : { resumedAt }),
  };
}

async function prepare(source: Machine, destination: Machine, flow: Flow, bandwidth: number, socket: string): Promise<void> {
  const capabilities = (machine: Machine, pause: boolean): Promise<unknown> => machine.qmp.execute('migrate-set-capabilities', {
    capabilities: [{ capability: 'events', state: true }, { capability: 'pause-before-switchover', state: pause }],
  });
  await Promise.all([capabilities(source, flow === 'libvirt'), capabilities(destination, false)]);
  await source.qmp.execute('migrate-set-parameters', { 'max-bandwidth': bandwidth });
  await destination.qmp.execute('migrate-incoming', { uri: `unix:${socket}` });
}

/** True for an attempt that is broken off while memory is copied. */
function isHalfWay(flow: Flow, wanted: Outcome): boolean {
  return wanted === 'destination-killed' || (wanted === 'cancelled' && flow === 'plain');
}

/** Returns the octets that were copied. */
async function complete(source: Machine, destination: Machine, flow: Flow, first: number): Promise<number> {
  if (flow === 'libvirt') {
    await handOver(source, destination, first);
    await destination.qmp.execute('cont');
  }
  await happens(destination, 0, 'RESUME on the destination', (event) => event.event === 'RESUME');
  await status(source, first, 'completed');
  return (await progressOf(source)).copiedBytes;
}

/** libvirt's order up to `cont`: the VM stands still on the source, and all of it is at the destination. */
async function handOver(source: Machine, destination: Machine, first: number): Promise<void> {
  await status(source, first, 'pre-switchover');
  await source.qmp.execute('migrate-continue', { state: 'pre-switchover' });
  await Promise.all([status(source, first, 'completed'), status(destination, 0, 'completed')]);
}

async function breakOff(source: Machine, destination: Machine, flow: Flow, wanted: Outcome, first: number): Promise<number> {
  if (isHalfWay(flow, wanted)) await halfWay(source);
  else if (wanted === 'cancelled') await status(source, first, 'pre-switchover');
  else await handOver(source, destination, first);
  const { copiedBytes } = await progressOf(source);
  if (wanted === 'cancelled') await source.qmp.execute('migrate_cancel');
  else await destination.end('SIGKILL');
  if (wanted !== 'abandoned') await status(source, first, wanted === 'cancelled' ? 'cancelled' : 'failed');
  const { running } = (await source.qmp.execute('query-status')) as { running: boolean };
  if (!running) await source.qmp.execute('cont');
  const stopped = source.events.slice(first).some((event) => event.event === 'STOP');
  if (stopped) await happens(source, first, 'RESUME on the source', (event) => event.event === 'RESUME');
  return copiedBytes;
}

/** QEMU's own account; it says nothing of memory once a migration was cancelled. */
async function progressOf(source: Machine): Promise<{ state: string; copiedBytes: number }> {
  const answer = (await source.qmp.execute('query-migrate')) as { status?: string; ram?: { transferred: number } };
  return { state: answer.status ?? 'none', copiedBytes: answer.ram?.transferred ?? 0 };
}

/** Waits until some memory has been copied. */
async function halfWay(source: Machine): Promise<void> {
  await waitFor('half of the memory to be copied', patienceMs, async () => {
    const { state, copiedBytes } = await progressOf(source);
    if (state === 'failed' || state === 'completed') throw new Error(`the migration was ${state} before it could be broken off`);
    return copiedBytes > halfWayBytes;
  }, 20);
}

const isOver = (event: QmpEvent): boolean => ['completed', 'cancelled', 'failed'].includes(String(event.data['status']));

/** Waits until QEMU tells this status of the migration; another end is an error. */
async function status(machine: Machine, first: number, wanted: string): Promise<void> {
  await happens(machine, first, `migration ${wanted} on node ${machine.node}`, (event) => {
    if (event.event !== 'MIGRATION') return false;
    if (isOver(event) && event.data['status'] !== wanted) throw new Error(`the migration ended as ${String(event.data['status'])} on node ${machine.node}, not as ${wanted}`);
    return event.data['status'] === wanted;
  });
}

async function happens(machine: Machine, first: number, what: string, matches: (event: QmpEvent) => boolean): Promise<void> {
  await waitFor(what, patienceMs, () => {
    if (machine.events.slice(first).some(matches)) return true;
    if (!machine.alive()) throw new Error(`QEMU on node ${machine.node} has ended: ${machine.tail()}`);
    return false;
  }, 1);
}
