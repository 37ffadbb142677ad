import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asn, crowd, crowdVm } from '../../src/demo/addresses.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { must, run, sleep, waitFor } from '../../src/demo/processes.ts';
import type { TorPlan } from '../../src/demo/tor.ts';
import { BirdTor, birdConfig } from '../../src/demo/tor-bird.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const node = { address: '192.0.2.2', torAddress: '192.0.2.1' };
export const vm = crowdVm(1);
const prefix = `${vm.ipv4}/32`;

/** The configuration of the node. @param peerKey what more stands at the peer */
export const nodeConfig = (peerKey = ''): string => `apiVersion: landfall/v1
bgp:
  asn: ${asn.nodes}
  peers:
    - {name: tor, address: ${node.torAddress}, asn: ${asn.nodes}, timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}${peerKey}}
watch:
  - bridge: br-vlan
    ports: {local: ["tap*"], uplink: [up0]}
    prefixes: [${crowd.ipv4}]
identity:
  mode: strict
  bindings:
    - {vm: ${vm.name}, mac: "${vm.mac}", ips: [${vm.ipv4}]}
log: {level: info, format: json}
`;

/** Builds the package. @returns its file */
export async function buildPackage(folder: string, version: string): Promise<string> {
  return (await must([process.execPath, join(root, 'scripts/package.mjs'), '--out', folder, '--version', version], { timeoutMs: 300_000 })).trim();
}

/** What lies around an installed package: a namespace for the node with a bridge, a VM's port and an uplink, and BIRD as its router. */
export class Stage {
  readonly folder: string;
  readonly namespaces: Namespaces;
  readonly tor: BirdTor;

  private constructor(folder: string, namespaces: Namespaces, tor: BirdTor) {
    this.folder = folder;
    this.namespaces = namespaces;
    this.tor = tor;
  }

  /** @param name of its folder and its namespaces @param password of the session */
  static async create(name: string, password?: string): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), `landfall-${name}-`));
    const namespaces = new Namespaces(`lf${name}${process.pid}`);
    await namespaces.create('out', { forwarding: true });
    await namespaces.create('node');
    await namespaces.ip('node', [
      'link add br-vlan type bridge', 'link add tap0 type veth peer name vm0 netns @out', 'link add up0 type veth peer name tor0 netns @out',
      'link set tap0 master br-vlan', `address add ${node.address}/30 dev up0`, ...['lo', 'br-vlan', 'tap0', 'up0'].map((link) => `link set ${link} up`),
      `route add ${crowd.ipv4} dev br-vlan`,
    ]);
    await namespaces.ip('out', [`address add ${node.torAddress}/30 dev tor0`, 'link set vm0 up', 'link set tor0 up']);
    mkdirSync(join(folder, 'tor'));
    const plan: TorPlan = {
      namespace: 'out', routerId: node.torAddress, asn: asn.nodes, peering: { type: 'ibgp', ...(password === undefined ? {} : { password }) },
      neighbors: [{ node: 'a', address: node.address, localAddress: node.torAddress, localAddress6: 'fe80::1' }],
    };
    // BFD hinders nothing until the node asks for it. It bears 1.8 s of silence: neither BIRD nor the test machine is real-time.
    const bfd = 'protocol bfd { interface "tor0" { min rx interval 300 ms; min tx interval 300 ms; multiplier 6; }; }\n';
    const tor = new BirdTor(namespaces, plan, join(folder, 'tor'), bfd + birdConfig(plan).replace('  passive on;', '  passive on;\n  bfd on;'));
    await tor.start();
    return new Stage(folder, namespaces, tor);
  }

  async remove(): Promise<void> {
    await this.tor.stop();
    await this.namespaces.removeAll();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Whether the router has the VM's route. */
  async hasRoute(): Promise<boolean> {
    return (await this.tor.routes()).some((route) => route.prefix === prefix && route.nextHop === node.address);
  }

  /** What the router has of its BFD session with the node: state, since when, interval, timeout. */
  async bfd(): Promise<string> {
    const { stdout } = await run(['birdc', '-s', join(this.folder, 'tor/bird.ctl'), 'show', 'bfd', 'sessions']);
    return stdout.split('\n').find((line) => line.startsWith(`${node.address} `)) ?? '';
  }

  async isUp(): Promise<boolean> {
    return (await this.tor.established()).includes(node.address);
  }

  /** One RARP of the VM, as QEMU sends it at the end of a migration. */
  async announceVm(): Promise<void> {
    const script = fileURLToPath(new URL('../netns/send-rarp.ts', import.meta.url));
    const done = await run(this.namespaces.exec('out', [process.execPath, '--import', 'tsx', script, 'vm0', vm.mac]), { timeoutMs: 30_000 });
    assert.equal(done.status, 0, done.stderr);
  }

  /** Waits until a node that has started has its session and has announced the VM. */
  async settled(): Promise<void> {
    await waitFor('the session', 30_000, () => this.isUp());
    await this.announceVm();
    await waitFor('the route', 15_000, () => this.hasRoute());
  }

  /** Looks at the router every 20 ms while something happens. @returns how often it looked, and how often the route was not there */
  async watching(work: () => Promise<unknown>): Promise<{ looks: number; missing: number }> {
    const seen = { looks: 0, missing: 0 };
    let on = true;
    const look = (async () => {
      for (; on; await sleep(20)) {
        seen.looks += 1;
        if (!await this.hasRoute()) seen.missing += 1;
      }
    })();
    try {
      await work();
    } finally {
      on = false;
      await look;
    }
    return seen;
  }
}
