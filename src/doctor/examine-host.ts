import type { Config } from '../../config/config.ts';
import type { CapabilitySets } from '../capability-sets.ts';
import type { PeerItem } from '../views/items.ts';
import { checkBridgeMac, checkBridges, checkMarks, checkPortVlans, checkPorts } from './bridges.ts';
import { checkCapabilities } from './capabilities.ts';
import { fail, ok, skip, some, warn, type Finding } from './finding.ts';
import type { HostState } from './host-state.ts';
import { checkHostMode, checkIcmpErrors } from './icmp-errors.ts';
import { checkGatewaySettings, checkNeighbourReach } from './node-as-gateway.ts';
import { checkOtherSpeakers } from './other-speakers.ts';
import { checkOwnAddresses } from './own-addresses.ts';
import { checkSourceRewriting } from './source-rewriting.ts';
import { checkUpstream } from './upstream.ts';

/** What the command line needs of a daemon that answers, to judge the host around it. */
export interface RunningDaemon {
  readonly capabilities?: CapabilitySets;
  readonly peers: readonly PeerItem[];
}

/** All that the host and the configuration tell, daemon or none. */
export function examineHost(host: HostState, config: Config, daemon: RunningDaemon | undefined): Finding[] {
  const { bridges } = host;
  return [
    ...checkNative(host),
    ...checkCapabilities(daemon === undefined ? host.capabilities : daemon.capabilities, config, daemon === undefined ? 'this process' : 'the daemon'),
    ...(bridges === undefined ? [skip('bridge', 'the kernel does not tell of bridges and ports here (netlink): they are not checked')] : [
      ...checkBridges(bridges, config), ...checkPorts(bridges, config), ...checkPortVlans(bridges, config), ...checkBridgeMac(host, config), ...checkMarks(bridges, config),
      ...checkNeighbourReach(host, config), ...checkOwnAddresses(host, bridges, config),
    ]),
    ...checkGatewaySettings(host, config), ...checkIcmpErrors(host, config), ...checkHostMode(host, config),
    ...checkSourceRewriting(host, config),
    ...checkSigning(host, config),
    checkClock(host),
    ...(daemon === undefined ? [checkStateFile(host)] : []),
    ...checkOtherSpeakers(host, config, daemon?.peers),
    ...checkUpstream(config),
  ];
}

/** Without it nothing is heard, and no session is opened. */
export function checkNative({ nativeProblem }: HostState): Finding[] {
  return nativeProblem === undefined ? [] : [fail('native', nativeProblem, 'node native/build.mjs in landfall\'s folder, or install the package for this machine')];
}

/** A session that is to be signed is down for good where the kernel can't. */
export function checkSigning({ unsignable = [] }: HostState, { bgp }: Config): Finding[] {
  if ('untried' in unsignable) {
    const signed = [...bgp.peers, ...bgp.listen.ranges ?? []].filter(({ tcpAo }) => tcpAo !== undefined).map(({ name }) => name);
    return signed.length === 0 ? [] : [skip('session', `${some(signed)}: whether this kernel has TCP-AO can't be told: ${unsignable.untried}`)];
  }
  return unsignable.map(({ name, why }) => fail('session', `${name}: ${why}`, `boot a kernel that has it, or use password (TCP MD5) in place of tcpAo for ${name}, at both ends`));
}

export function checkClock({ clock }: HostState): Finding {
  const fix = 'run an NTP client (chronyd, systemd-timesyncd)';
  if (!clock.wallTrusted) return warn('clock', 'never set, or years ahead: it contributes nothing to sequences, so after a loss of memory an older claim may win', `set it, and ${fix}`);
  if (clock.wallSynchronised === false) return warn('clock', 'not synchronised: claims of nodes that see nothing of each other may be ordered wrongly', fix);
  return ok('clock', clock.wallSynchronised === undefined ? 'set; whether it is synchronised may not be asked here' : 'synchronised');
}

export function checkStateFile({ stateFile }: HostState): Finding {
  return stateFile.problem === undefined ? ok('state', `${stateFile.path} can be written`)
    : warn('state', `${stateFile.path}: ${stateFile.problem} (as this user): a restart would remember no claims`, `install -d -o landfall ${stateFile.path.slice(0, stateFile.path.lastIndexOf('/')) || '/'}, or set state.file`);
}
