import type { Finding } from './finding.ts';

/** What both the daemon and the look at the host may say: what the daemon begins it with, behind the name of the bridge. */
const shared = [/: the gateway's MAC changes with the ports of the bridge/, /: the first packets for a VM that has landed wait for its neighbour entry/, /: this node does not forward: /];
const cure = /net\.[\w./-]+=\d|ip link set \S+ address/g;

/** Without the warnings of the daemon that a finding about the host tells, too, down to each command that mends it. */
export function untold(fromDaemon: readonly Finding[], aboutHost: readonly Finding[]): Finding[] {
  const told = new Set(aboutHost.flatMap(({ result, fix }) => (result === 'warn' || result === 'fail' ? curesIn(fix ?? '') : [])));
  return fromDaemon.filter(({ topic, text }) => {
    const cures = topic === 'daemon' && shared.some((each) => each.test(text)) ? curesIn(text) : [];
    return cures.length === 0 || !cures.every((each) => told.has(each));
  });
}

/** sysctl takes a dot in an interface's name as a slash. */
function curesIn(text: string): string[] {
  return [...text.matchAll(cure)].map(([found]) => found.replaceAll('/', '.'));
}
