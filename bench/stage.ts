import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asn, crowd, crowdVm } from '../src/demo/addresses.ts';
import { Namespaces } from '../src/demo/namespaces.ts';
import { Daemon, run, stopAll, waitFor, type Finished } from '../src/demo/processes.ts';
import type { StatusItem } from '../src/views/items.ts';

/**
 * The benchmark's network, all in namespaces. `out` holds what surrounds the nodes: the far end of each VM's veth and the router's
 * end of each link. `landfall` and `floor` are two nodes of the same shape, so that neither program disturbs the other's frames:
 *
 *     out:  vm-l ── tap0 in br-vlan :landfall: up0 ── tor-l 192.0.2.1        vm-f ── tap0 in br-vlan :floor: up0 ── tor-f 192.0.2.5
 */
export interface Stage {
  readonly namespaces: Namespaces;
  /** For configurations and programs; removed at the end. */
  readonly folder: string;
  end(): Promise<void>;
}

export const nodes = {
  landfall: { vm: 'vm-l', tor: 'tor-l', torAddress: '192.0.2.1', address: '192.0.2.2' },
  floor: { vm: 'vm-f', tor: 'tor-f', torAddress: '192.0.2.5', address: '192.0.2.6' },
} as const;
export type NodeName = keyof typeof nodes;

/** Builds the network. Call `end` of the result whatever happens; Ctrl-C calls it too. */
export async function buildStage(): Promise<Stage> {
  const namespaces = new Namespaces(`lfbench${process.pid}`);
  const folder = mkdtempSync(join(tmpdir(), 'landfall-bench-'));
  chmodSync(folder, 0o755); // FRR runs as a user of its own
  let ended: Promise<void> | undefined;
  const end = (): Promise<void> =>
    (ended ??= (async () => {
      await stopAll();
      await namespaces.removeAll();
      rmSync(folder, { recursive: true, force: true });
    })());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end().then(() => process.exit(130)));
  try {
    await namespaces.create('out', { forwarding: true });
    for (const [name, node] of Object.entries(nodes)) {
      await namespaces.create(name);
      await namespaces.ip(name, [
        'link add br-vlan type bridge',
        `link add tap0 type veth peer name ${node.vm} netns @out`,
        `link add up0 type veth peer name ${node.tor} netns @out`,
        'link set tap0 master br-vlan',
        `address add ${node.address}/30 dev up0`,
        ...['br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
      ]);
      await namespaces.ip('out', [`address add ${node.torAddress}/30 dev ${node.tor}`, `link set ${node.vm} up`, `link set ${node.tor} up`]);
    }
  } catch (error) {
    await end();
    throw error;
  }
  return { namespaces, folder, end };
}

/** A port of one more guest on a node's bridge. @returns the guest's end of it, in `out` */
export async function plugGuest(stage: Stage, name: NodeName): Promise<string> {
  const guest = `guest-${nodes[name].vm}`;
  await stage.namespaces.ip(name, [`link add tap1 type veth peer name ${guest} netns @out`, 'link set tap1 master br-vlan', 'link set tap1 up']);
  await stage.namespaces.ip('out', [`link set ${guest} up`]);
  return guest;
}

/** Compiles one of the C programs of this folder. @returns its path */
export function compile(stage: Stage, name: string): string {
  const out = join(stage.folder, name);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const { status, stderr } = spawnSync('cc', ['-O2', '-Wall', '-o', out, source], { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`cc ${name}.c failed: ${stderr}`);
  return out;
}

/** A configuration with `vms` bound VMs (numbers 0…vms-1) and one iBGP session, as an administrator would write it. */
function landfallConfig(stage: Stage, vms: number, extra: string): string {
  const { torAddress } = nodes.landfall;
  const bindings = Array.from({ length: vms }, (_, index) => {
    const vm = crowdVm(index);
    return `    - {vm: ${vm.name}, mac: "${vm.mac}", ips: [${vm.ipv4}]}`;
  });
  return `apiVersion: landfall/v1
node: {name: bench}
bgp:
  asn: ${asn.nodes}
  peers:
    - {name: tor, address: ${torAddress}, asn: ${asn.nodes}, families: [ipv4-unicast], timers: {hold: 90s, keepalive: 30s, connectRetry: 1s}}
watch:
  - bridge: br-vlan
    ports: {local: ["tap*"], uplink: [up0]}
    announcements: [garp, rarp, na]
    prefixes: [${crowd.ipv4}]
identity:
  mode: strict
  bindings:
${bindings.join('\n')}
${extra}log: {level: info, format: json}
api: {socket: ${join(stage.folder, 'landfall.sock')}, mode: "0600"}
`;
}

/** Starts the daemon as users run it, from the build. `extra`: more lines of its configuration, at the top level. */
export async function startLandfall(stage: Stage, vms: number, extra = ''): Promise<Daemon> {
  const config = join(stage.folder, 'landfall.yaml');
  writeFileSync(config, landfallConfig(stage, vms, extra));
  const daemon = new Daemon('landfall', landfall(stage, ['run', '-c', config]), { log: join(stage.folder, 'landfall.log') });
  await waitFor('landfall answers', 20_000, async () => {
    if (!daemon.alive) throw new Error(`landfall ended (${await daemon.ended}): ${daemon.tail}`);
    return (await askStatus(stage)).status === 0;
  });
  return daemon;
}

/** What `landfall status` says. */
export async function landfallStatus(stage: Stage): Promise<StatusItem> {
  return (JSON.parse((await askStatus(stage)).stdout) as { items: [StatusItem] }).items[0];
}

function askStatus(stage: Stage): Promise<Finished> {
  return run(landfall(stage, ['--socket', join(stage.folder, 'landfall.sock'), 'status', '-o', 'json']));
}

function landfall(stage: Stage, args: readonly string[]): string[] {
  return stage.namespaces.exec('landfall', [process.execPath, fileURLToPath(new URL('../dist/src/cli.js', import.meta.url)), ...args]);
}
