import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces } from '../../src/demo/namespaces.ts';
import { killAtExit, landfallCommand, must, run } from '../../src/demo/processes.ts';
import type { FindingItem } from '../../src/views/items.ts';

/** A rule against ICMP errors of either family, as `doctor` words it. */
const silence = `nft 'add table inet landfall; add chain inet landfall output { type filter hook output priority 0; }; add rule inet landfall output icmp type destination-unreachable icmp code host-unreachable drop; add rule inet landfall output icmpv6 type destination-unreachable icmpv6 code addr-unreachable drop'`;

let count = 0;

/**
 * One node's network with nothing wrong in it, and a place that stands for the fabric: `up0` of the node's bridge and `rt0` lead there.
 * `doctor` runs in it as users run it; there are no routers.
 */
export class DoctorHost {
  readonly namespaces = new Namespaces(`lf${process.pid}d${(count++).toString(36)}`);
  readonly folder = makeFolder();

  static async start(): Promise<DoctorHost> {
    const host = new DoctorHost();
    try {
      await host.#build();
      return host;
    } catch (error) {
      await host.stop();
      throw error;
    }
  }

  async #build(): Promise<void> {
    await this.namespaces.create('fabric');
    await this.namespaces.create('node', { forwarding: true });
    await this.namespaces.ip('fabric', ['link add a0 type veth peer name rt0 netns @node', 'link add sw0 type veth peer name up0 netns @node', 'addr add 192.0.2.1/30 dev a0', 'addr add 2001:db8::1/64 dev a0 nodad', 'link set a0 up', 'link set sw0 up']);
    await this.namespaces.ip('node', [
      'addr add 192.0.2.2/30 dev rt0', 'addr add 2001:db8::2/64 dev rt0 nodad', 'link set rt0 up', 'link add br-vlan type bridge', 'link set br-vlan address 02:00:5e:00:01:01', 'link set br-vlan up',
      'link set up0 master br-vlan up', 'addr add 203.0.113.1/24 dev br-vlan', 'addr add 2001:db8:100::1/64 dev br-vlan nodad',
      'link add tap1 type veth peer name guest1 netns @fabric', 'link set tap1 master br-vlan up', 'link set tap1 alias mac=52:54:00:aa:00:01',
    ]);
    await this.namespaces.ip('fabric', ['link set guest1 arp off up', 'route add 203.0.113.0/24 via 192.0.2.2', 'route add 2001:db8:100::/64 via 2001:db8::2']);
    await this.namespaces.sysctl('node', {
      'net/ipv4/conf/br-vlan/arp_accept': 1, 'net/ipv6/conf/br-vlan/accept_untracked_na': 1, 'net/ipv4/conf/all/send_redirects': 0, 'net/ipv4/conf/br-vlan/send_redirects': 0,
    });
    await this.sh(silence);
  }

  /** A configuration that this network has nothing against. */
  get yaml(): string {
    return `apiVersion: landfall/v1
bgp:
  asn: 65010
  nextHop: {ipv4: 192.0.2.2, ipv6: "2001:db8::2"}
  peers:
    - {name: tor-a, address: 192.0.2.1, asn: 65010}
watch:
  - bridge: br-vlan
    ports: {local: ["tap*"], uplink: [up0]}
    prefixes: [203.0.113.0/24, "2001:db8:100::/64"]
identity:
  mode: learn
state: {file: ${join(this.folder, 'state.json')}}
api: {socket: ${join(this.folder, 'landfall.sock')}, mode: "0600"}
`;
  }

  get file(): string {
    return join(this.folder, 'landfall.yaml');
  }

  /** A line for the shell of the node's administrator. */
  sh(line: string, short = 'node'): Promise<string> {
    return must(this.namespaces.exec(short, ['sh', '-ec', line]), { timeoutMs: 60_000 });
  }

  /** What `doctor` finds with this configuration. @param before words before the command, such as those of setpriv */
  async findings(yaml = this.yaml, before: readonly string[] = [], program: readonly string[] = landfallCommand()): Promise<FindingItem[]> {
    writeFileSync(this.file, yaml);
    const words = [...before, ...program, '-c', this.file, '-s', join(this.folder, 'landfall.sock'), 'doctor', '-o', 'json'];
    const { status, stdout, stderr } = await run(this.namespaces.exec('node', words), { timeoutMs: 30_000 });
    assert.notEqual(stdout, '', stderr);
    const { items } = JSON.parse(stdout) as { items: FindingItem[] };
    assert.equal(status, items.some(({ result }) => result === 'fail') ? 1 : 0, 'the status of doctor');
    return items;
  }

  /** Takes everything down. Never throws. */
  async stop(): Promise<void> {
    await this.namespaces.removeAll();
    if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `fail ports: text` of each finding that is not in order. What this machine's clock is like and that no daemon runs is left out. */
export function troubles(items: readonly FindingItem[]): string[] {
  return wrong(items).map(({ result, topic, text }) => `${result} ${topic}: ${text}`);
}

export function wrong(items: readonly FindingItem[]): FindingItem[] {
  return items.filter(({ result, topic }) => result !== 'ok' && topic !== 'clock' && topic !== 'daemon');
}

/** The command in the words of a fix: what stands before another way to do it. */
export function commandOf({ fix = '' }: FindingItem): string {
  return fix.split(/, or |; else |; or | \(and /)[0] as string;
}

killAtExit();
