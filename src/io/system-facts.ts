import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { arch, availableParallelism, freemem, hostname, loadavg, networkInterfaces, release, totalmem, uptime, version } from 'node:os';
import { basename } from 'node:path';

const sysctls = [
  'net/ipv4/ip_forward', 'net/ipv4/conf/all/arp_notify', 'net/ipv4/conf/all/arp_accept', 'net/ipv4/conf/all/rp_filter', 'net/ipv6/conf/all/forwarding', 'net/core/rmem_max',
  'net/bridge/bridge-nf-call-iptables',
];

/** What a bug report needs to know of the host: kernel, memory, interfaces, a few settings. Nothing of it changes anything. */
export function systemFacts(): Record<string, unknown> {
  return {
    hostname: hostname(), kernel: release(), kernelVersion: version(), architecture: arch(), node: process.version, cpus: availableParallelism(), loadAverage: loadavg(),
    memory: { totalBytes: totalmem(), freeBytes: freemem() }, uptimeSeconds: uptime(), osRelease: textOf('/etc/os-release'), capabilities: capabilityLines(),
    sysctls: Object.fromEntries(sysctls.map((name) => [name.replaceAll('/', '.'), textOf(`/proc/sys/${name}`)])), interfaces: interfaces(), addresses: networkInterfaces(),
  };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim().slice(0, 4096);
  } catch {
    return null;
  }
}

function capabilityLines(): string[] {
  return (textOf('/proc/self/status') ?? '').split('\n').filter((line) => line.startsWith('Cap'));
}

function interfaces(): unknown[] {
  let names: string[];
  try {
    names = readdirSync('/sys/class/net').slice(0, 4096);
  } catch {
    return [];
  }
  return names.map((name) => {
    const of = (file: string): string | null => textOf(`/sys/class/net/${name}/${file}`);
    let master: string | null = null;
    try {
      master = basename(readlinkSync(`/sys/class/net/${name}/master`));
    } catch {
      // no port of anything
    }
    return { name, ifindex: of('ifindex'), state: of('operstate'), mac: of('address'), mtu: of('mtu'), alias: of('ifalias'), master, vlanFiltering: of('bridge/vlan_filtering') };
  });
}

/** The last lines that the unit logged, where there is a journal that may be read; else why there are none. */
export function recentLog(lines: number): string {
  try {
    return execFileSync('journalctl', ['--unit', 'landfall', '--lines', String(lines), '--no-pager', '--output', 'short-iso-precise'], { timeout: 5000, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    return `no log: journalctl gives none here (${(error as NodeJS.ErrnoException).code ?? 'it failed'})\n`;
  }
}
