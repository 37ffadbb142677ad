import type { BfdOrder, BfdReport } from '../bfd/orders.ts';
import { errorSubcodes } from '../bgp/wire/iana.ts';
import type { Config } from '../config/config.ts';
import { printable } from '../net/printable.ts';
import { stepPeer } from './peering.ts';
import { note, type World } from './world.ts';

/** How long BFD goes on without the speaker beyond the time that routers keep its routes, in seconds. */
const lingerBeyondSeconds = 30;

/** What the BFD process is to watch; `undefined` where no peer has BFD. */
export function bfdOrder(config: Config): BfdOrder | undefined {
  const neighbors = config.bgp.peers.flatMap(({ name, address, interface: link, sourceAddress, bfd }) => (bfd === undefined ? [] : [{
    name, address, minTxMs: bfd.minTxMs, minRxMs: bfd.minRxMs, multiplier: bfd.multiplier,
    ...(link === undefined ? {} : { interface: link }), ...(sourceAddress === undefined ? {} : { sourceAddress }),
  }]));
  if (neighbors.length === 0) return undefined;
  const { enabled, restartTimeSeconds } = config.bgp.gracefulRestart;
  return { neighbors, lingerSeconds: lingerBeyondSeconds + (enabled ? restartTimeSeconds : 0) };
}

/**
 * A BFD session that was up and failed takes its BGP session down at once (RFC 5882 section 4.2, RFC 9384). One that was never up hinders
 * nothing, nor does one that an operator shut down.
 */
export function takeBfdReport(world: World, report: BfdReport): void {
  const peer = world.peers.get(report.name);
  if (peer === undefined) return;
  const before = peer.bfd?.report;
  const changed = before?.state !== report.state;
  peer.bfd = { report, sinceMs: changed || peer.bfd === undefined ? world.now.wallMs : peer.bfd.sinceMs };
  if (!changed) return;
  const failed = before?.state === 'Up' && !report.administrative;
  const text = printable(report.text);
  note(world, {
    level: failed ? 'warn' : 'info', room: 'bfd', peer: report.name, event: 'bfd.transition', publish: 'peer',
    fields: { from: (before?.state ?? 'unknown').toLowerCase(), to: report.state.toLowerCase(), ...(text === '' ? {} : { text }) },
  });
  if (failed) stepPeer(world, peer, { type: 'fail', subcode: errorSubcodes.cease.bfdDown, text: `BFD: ${text}` });
}

/** There is no BFD process: its absence says nothing of the routers. */
export function forgetBfdReports(world: World, reason: string): void {
  let known = false;
  for (const peer of world.peers.values()) {
    known ||= peer.bfd !== undefined;
    delete peer.bfd;
  }
  note(world, { level: known ? 'warn' : 'info', room: 'bfd', event: 'bfd.problem', fields: { text: reason } });
}
