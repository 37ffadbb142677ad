import { accessSync, constants, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { applyChange, emptyBridgeState, type BridgeState } from '../../bridge/fdb.ts';
import { openMonitor, type Monitor } from '../../bridge/io/monitor.ts';
import type { Config } from '../../config/config.ts';
import { inspectHost } from '../../config/io/host.ts';
import { nativeProblem } from '../../native/index.ts';
import { parseTcpTable } from '../doctor/tcp-table.ts';
import type { HostState, TcpConnection } from '../doctor/host-state.ts';
import { dropsUnreachable } from '../doctor/icmp-errors.ts';
import { parseRewrites } from '../doctor/source-rewriting.ts';
import { readCapabilitySets } from './capabilities.ts';
import { readClockTrust } from './clock.ts';
import { readFirewall } from './firewall.ts';
import { unsignable } from './signing.ts';
import { defaultStateFile } from './state.ts';

/** How long the kernel may take to tell of all links, in milliseconds. */
const dumpWithinMs = 5000;
/** Interfaces on top of one bridge that are looked at. */
const layer3AtMost = 256;
const perInterface = ['ipv4/conf/@/forwarding', 'ipv4/conf/@/rp_filter', 'ipv4/conf/@/arp_accept', 'ipv4/conf/@/send_redirects', 'ipv6/conf/@/accept_untracked_na'];
const global = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'];

/** Looks at this host, as far as this user may, and changes nothing. Never throws; what can't be read is left out. */
export async function readHostState(config: Config): Promise<HostState> {
  const bridges = await readBridges();
  const names = [...new Set(config.watch.map((watch) => watch.bridge))];
  const layer3 = new Map(names.map((name) => [name, onTopOf(name, bridges)]));
  const settings = new Map<string, number>();
  for (const path of [...global, ...['all', ...[...layer3.values()].flat()].flatMap((name) => perInterface.map((pattern) => `net/${pattern.replace('@', name)}`))]) {
    const value = Number(textOf(join('/proc/sys', path)) ?? NaN);
    if (Number.isInteger(value)) settings.set(path, value);
  }
  const origin = new Map(names.map((name) => [name, textOf(`/sys/class/net/${name}/addr_assign_type`)]));
  const capabilities = readCapabilitySets();
  const connections = readConnections();
  const { speakers, addresses } = inspectHost();
  const firewall = await readFirewall();
  const problem = nativeProblem();
  return {
    ...(capabilities === undefined ? {} : { capabilities }), ...(bridges === undefined ? {} : { bridges }), layer3, settings,
    fixedMac: new Set(names.filter((name) => origin.get(name) === '3')), drawnMac: new Set(names.filter((name) => origin.get(name) === '1')),
    addresses, clock: readClockTrust(), speakers, ...(connections === undefined ? {} : { connections }),
    rewrites: 'unread' in firewall ? firewall : parseRewrites(firewall.text), ...('unread' in firewall ? {} : { dropsUnreachable: dropsUnreachable(firewall.text) }), stateFile: stateFileOf(config), unsignable: signing(config), ...(problem === undefined ? {} : { nativeProblem: problem }),
  };
}

/** One look at links and addresses. */
function readBridges(): Promise<BridgeState | undefined> {
  return new Promise((resolve) => {
    let monitor: Monitor | undefined;
    const end = (state: BridgeState | undefined): void => {
      clearTimeout(giveUp);
      setImmediate(() => monitor?.close());
      resolve(state);
    };
    const giveUp = setTimeout(() => end(undefined), dumpWithinMs);
    try {
      monitor = openMonitor({
        withoutEntries: true,
        onChange: (change) => { if (change.type === 'resync') end(applyChange(emptyBridgeState(), change)); },
        onError: () => undefined,
      });
    } catch {
      end(undefined); // no netlink in this sandbox, or no native module
    }
  });
}

function onTopOf(bridge: string, bridges: BridgeState | undefined): string[] {
  let uppers: string[] = [];
  try {
    uppers = readdirSync(`/sys/class/net/${bridge}`).filter((name) => name.startsWith('upper_')).map((name) => name.slice('upper_'.length));
  } catch {
    // not there, or the sysfs of another network namespace
  }
  const byName = [...(bridges?.byName.keys() ?? [])].filter((name) => name.startsWith(`${bridge}.`));
  return [bridge, ...new Set([...uppers, ...byName])].slice(0, layer3AtMost);
}

function readConnections(): TcpConnection[] | undefined {
  const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'].map(textOf);
  return tables.every((table) => table === undefined) ? undefined : tables.flatMap((table) => parseTcpTable(table ?? ''));
}

function signing(config: Config): NonNullable<HostState['unsignable']> {
  try {
    return unsignable(config);
  } catch (error) {
    return { untried: (error as Error).message }; // no native module
  }
}

function stateFileOf(config: Config): HostState['stateFile'] {
  const path = config.state?.file ?? defaultStateFile;
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
    return { path };
  } catch (error) {
    return { path, problem: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'its folder does not exist' : 'its folder can\'t be written to' };
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
