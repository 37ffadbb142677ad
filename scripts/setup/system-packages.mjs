// Which packages of the system each purpose needs, and how they get there.
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { runCommand } from './command.mjs';

const everyone = ['demo', 'qemu', 'test', 'netns', 'build', 'bench'];
const nodePrefix = dirname(dirname(process.execPath));

/** `command` or `file` shows that the package is there. `without` says what is lost if it is not. */
const needs = [
  { package: 'gcc', command: 'cc', purposes: everyone, without: 'the native module cannot be built: no frames are heard' },
  { package: 'libc6-dev', file: '/usr/include/stdio.h', purposes: everyone, without: 'the native module cannot be built' },
  // Node's own archives bring the headers beside the binary; Debian has them in a package of their own.
  ...(process.execPath === '/usr/bin/node'
    ? [{ package: 'libnode-dev', file: '/usr/include/node/node_api.h', purposes: everyone, without: 'the native module cannot be built' }]
    : []),
  { package: 'g++', command: 'g++', purposes: everyone, without: 'no capture files, no ICMP probe' },
  { package: 'make', command: 'make', purposes: everyone, without: 'no capture files, no ICMP probe' },
  { package: 'python3', command: 'python3', purposes: everyone, without: 'no capture files, no ICMP probe' },
  { package: 'libpcap-dev', file: '/usr/include/pcap/pcap.h', purposes: everyone, without: 'no capture files' },
  { package: 'iproute2', command: 'ip', purposes: ['demo', 'qemu', 'netns', 'bench'], without: 'no network namespaces: no demo' },
  { package: 'frr', file: '/usr/lib/frr/bgpd', purposes: ['demo', 'qemu', 'netns', 'bench'], without: 'no FRR: use --tor embedded' },
  { package: 'bird2', command: 'bird', purposes: ['demo', 'qemu', 'netns', 'bench'], without: 'no BIRD: use --tor frr or --tor embedded' },
  { package: 'qemu-system-x86', command: 'qemu-system-x86_64', purposes: ['qemu', 'netns'], without: 'no demo with a real VM' },
  { package: 'gobgpd', command: 'gobgpd', purposes: ['netns'], without: 'tests against GoBGP are skipped' },
  { package: 'exabgp', command: 'exabgp', purposes: ['netns'], without: 'tests against ExaBGP are skipped' },
  { package: 'openbgpd', command: 'bgpctl', purposes: ['netns'], without: 'tests against OpenBGPD are skipped' },
  { package: 'tcpdump', command: 'tcpdump', purposes: ['netns'], without: 'tests that look at the wire are skipped' },
  { package: 'iptables', command: 'iptables', purposes: ['netns'], without: 'tests of lost packets are skipped' },
  { package: 'nftables', command: 'nft', purposes: ['netns'], without: 'tests of lost packets are skipped' },
  { package: 'procps', command: 'sysctl', purposes: ['netns'], without: 'what doctor words as sysctl can\'t be tried' },
  { package: 'prometheus', command: 'promtool', purposes: ['netns'], without: 'metrics and alert rules are not judged by Prometheus' },
  { package: 'pmacct', command: 'pmbmpd', purposes: ['netns'], without: 'what BMP stations are told is not read by one' },
  { package: 'tshark', command: 'tshark', purposes: ['netns'], without: 'the octets of BMP are not judged by Wireshark' },
  { package: 'bgpdump', command: 'bgpdump', purposes: ['netns'], without: 'the MRT file is read by our own decoder alone' },
  { package: 'chromium', command: 'chromium', purposes: ['netns'], without: 'the timeline page is not tested in a browser' },
  { package: 'systemd', command: 'systemd-analyze', purposes: ['netns'], without: 'the systemd unit is not graded' },
];

/** Services that a package would start: the node's own routers are no business of ours. */
const services = { frr: ['frr'], bird2: ['bird'], gobgpd: ['gobgpd'], exabgp: ['exabgp'], openbgpd: ['openbgpd'], prometheus: ['prometheus'], pmacct: ['nfacctd', 'pmacctd', 'sfacctd', 'uacctd'] };

/** @param {string} purpose what the set-up is for */
export function missingPackages(purpose) {
  return needs.filter((need) => need.purposes.includes(purpose) && !(need.command ? hasCommand(need.command) : existsSync(need.file)));
}

export function hasCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, name)));
}

/** The folder that node-gyp and native/build.mjs find this Node's own headers in, or undefined. */
export function headersPrefix() {
  return existsSync(join(nodePrefix, 'include/node/node_api.h')) ? nodePrefix : undefined;
}

export function aptLine(missing) {
  return `apt-get update && apt-get install -y --no-install-recommends ${missing.map((need) => need.package).join(' ')}`;
}

/**
 * Installs what is missing with apt-get. No service of a package is started or left enabled.
 * @returns {Promise<string | undefined>} what went wrong, or undefined
 */
export async function installPackages(missing) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' };
  const apt = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  const update = await runCommand('apt-get', [...apt, '-q', 'update'], { seconds: 300, env });
  const releaseGuard = guardServices();
  try {
    const names = missing.map((need) => need.package);
    const install = await runCommand('apt-get', [...apt, '-q', 'install', '-y', '--no-install-recommends', ...names], { seconds: 1200, env });
    if (!install.ok) {
      const first = update.ok ? '' : `apt-get update failed (${update.reason}). `;
      return `${first}apt-get install failed (${install.reason}):\n${install.output}`;
    }
  } finally {
    releaseGuard();
  }
  await disableServices(missing);
  return undefined;
}

/** While a policy-rc.d that answers 101 stands, invoke-rc.d starts nothing (one that was there before is left as it is). */
function guardServices() {
  const file = '/usr/sbin/policy-rc.d';
  if (existsSync(file)) return () => {};
  const release = () => rmSync(file, { force: true });
  try {
    writeFileSync(file, '#!/bin/sh\n# From the set-up of landfall, for the time of an apt-get install: start no service.\nexit 101\n');
    chmodSync(file, 0o755);
  } catch {
    return release;
  }
  process.once('exit', release);
  return release;
}

/** A package that we brought must not start its router at the next boot. */
async function disableServices(missing) {
  if (!existsSync('/run/systemd/system')) return;
  const units = missing.flatMap((need) => services[need.package] ?? []);
  for (const unit of units) await runCommand('systemctl', ['disable', '--now', `${unit}.service`], { seconds: 30 });
}
