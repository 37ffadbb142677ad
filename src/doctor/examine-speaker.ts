import { collectPeers } from '../collect/peers.ts';
import type { ProcessFacts } from '../process-facts.ts';
import type { DoctorItem } from '../views/items.ts';
import { printable } from '../../net/printable.ts';
import type { World } from '../world.ts';
import { ok, warn, type Finding } from './finding.ts';
import { checkSilentGuests } from './guests.ts';
import { checkRefused } from './refused.ts';
import { checkFabric, checkFutures, checkHeld, checkIdentifiers, checkLimits, checkManual, checkNextHops, checkReflected } from './routes.ts';
import { checkSessions } from './sessions.ts';

/** What the daemon alone knows, and what the command line needs to judge the host around it. */
export function collectDoctor(world: World, facts: ProcessFacts): DoctorItem {
  const peers = collectPeers(world);
  return {
    config: world.config, peers, ...(facts.capabilities === undefined ? {} : { capabilities: facts.capabilities }),
    findings: examineSpeaker(world, facts, peers).map((finding) => ({
      ...finding, text: printable(finding.text, 500), ...(finding.fix === undefined ? {} : { fix: printable(finding.fix, 300) }),
    })),
  };
}

function examineSpeaker(world: World, facts: ProcessFacts, peers: DoctorItem['peers']): Finding[] {
  const ignored = [...world.ignored.values()];
  return [
    ...checkRefused(world), ...checkSilentGuests(world.migrations.all.filter(({ direction }) => direction === 'in'), ignored),
    ...checkSessions(peers, { asn: world.config.bgp.asn, dryRun: world.dryRun }),
    ...checkIdentifiers(world), ...checkReflected(world), ...checkFabric(world), ...checkLimits(world), ...checkNextHops(world), ...checkFutures(world), ...checkHeld(world), ...checkManual(world),
    ...checkProcess(facts, world.dryRun),
  ];
}

/** The process itself: what it missed, and what it can't keep. */
export function checkProcess({ capture, warnings, stateFile, stateProblem }: Pick<ProcessFacts, 'capture' | 'warnings' | 'stateFile' | 'stateProblem'>, dryRun: boolean): Finding[] {
  return [
    ...(capture.dropped === 0 ? [] : [warn('capture', `${capture.dropped} of ${capture.received + capture.dropped} frames were dropped before the daemon read them: an announcement may have been among them`, 'process.scheduling: fifo, or more CPU for the daemon (CPUWeight=, no CPU limit)')]),
    ...warnings.map((text) => warn('daemon', text)),
    ...(dryRun ? [] : stateFile === undefined ? [warn('state', 'there is no folder for the state file that the daemon can write to: a restart remembers no claims', 'StateDirectory=landfall, or set state.file')]
      : stateProblem !== undefined ? [warn('state', stateProblem, `let the daemon write to ${stateFile.slice(0, stateFile.lastIndexOf('/')) || '/'} (under systemd StateDirectory= or ReadWritePaths=), or set state.file`)] : [ok('state', `kept in ${stateFile}`)]),
  ];
}
