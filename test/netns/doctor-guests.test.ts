import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ip } from '../../net/ip.ts';
import type { HypervisorCommand } from '../../src/demo/hypervisor.ts';
import { Daemon, landfallCommand, must, run, waitFor } from '../../src/demo/processes.ts';
import { Script } from '../../src/demo/script.ts';
import type { FindingItem, ListReply, PrefixItem } from '../../src/views/items.ts';
import { DoctorHost, troubles, wrong } from './doctor-host.ts';
import { garpFrame, rarpFrame } from './frames.ts';
import { needs } from './lab.ts';

// What only the daemon knows of a node: guests that are refused or fall silent, another node's gateway, frames that it missed. No router is
// there, so what is said of sessions is left out.

const [first, second, third] = ['52:54:00:aa:00:01', '52:54:00:aa:00:02', '52:54:00:aa:00:03'];

describe('doctor on a node with guests that something is wrong with', function () {
  this.timeout(90_000);
  let host: DoctorHost;
  let daemon: Daemon | undefined;
  let guest: Script<HypervisorCommand>;

  before(async function () {
    needs(this);
    await begin();
  });
  after(end);
  beforeEach(async function () {
    if (((this.currentTest as { currentRetry?: () => number } | undefined)?.currentRetry?.() ?? 0) > 0) await anew();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await anew();
  });

  async function anew(): Promise<void> {
    await end();
    await begin();
  }

  async function begin(): Promise<void> {
    host = await DoctorHost.start();
    guest = new Script(host.namespaces, 'fabric', 'hypervisor');
    await guest.started();
  }

  async function end(): Promise<void> {
    await daemon?.stop();
    await guest?.stop();
    await host?.stop();
  }

  /** @param bindings lines of `identity.bindings` */
  const yaml = (bindings: readonly string[] = [], vlans = '0, 100'): string => host.yaml.replace('    prefixes:', `    vlans: [${vlans}]\n    prefixes:`)
    .replace('  mode: learn\n', `  mode: learn\n${bindings.length === 0 ? '' : `  bindings:\n${bindings.map((line) => `    - ${line}\n`).join('')}`}`) + 'migration: {portGoneGrace: 100ms, withdrawAfter: 100ms}\n';
  const bound = `{vm: demo/vm-1, mac: "${first}", ips: [203.0.113.11]}`;

  function cli(...words: readonly string[]): ReturnType<typeof run> {
    return run(host.namespaces.exec('node', [...landfallCommand(), '-s', `${host.folder}/landfall.sock`, ...words]), { timeoutMs: 20_000 });
  }

  async function start(text: string): Promise<void> {
    await daemon?.stop();
    for (const kept of ['state.json', 'migrations.jsonl']) rmSync(join(host.folder, kept), { force: true });
    writeFileSync(host.file, text);
    const begun = new Daemon('node/landfall', host.namespaces.exec('node', [...landfallCommand(), 'run', '-c', host.file]));
    daemon = begun;
    await waitFor('the daemon to answer', 45_000, async () => {
      assert.ok(begun.alive, begun.tail);
      return (await cli('status', '-o', 'json')).status === 0;
    }, 200);
  }

  async function reload(text: string): Promise<void> {
    writeFileSync(host.file, text);
    const { status, stdout, stderr } = await cli('reload');
    assert.equal(status, 0, stdout + stderr);
  }

  async function findings(): Promise<FindingItem[]> {
    const { stdout, stderr } = await cli('doctor', '-o', 'json');
    assert.notEqual(stdout, '', stderr);
    const { items } = JSON.parse(stdout) as ListReply<FindingItem>;
    // Those of the daemon too: `wrong` is for set-ups without one.
    return [...wrong(items), ...items.filter(({ topic, result }) => topic === 'daemon' && result !== 'ok')].filter(({ topic }) => topic !== 'session' && topic !== 'reflected');
  }

  async function found(words: RegExp, fix?: RegExp): Promise<FindingItem> {
    let items: FindingItem[] = [];
    await waitFor(String(words), 20_000, async () => (items = await findings()).length > 0, 200);
    assert.equal(items.length, 1, troubles(items).join('\n'));
    const [item] = items as [FindingItem];
    assert.match(`${item.result} ${item.topic}: ${item.text}`, words);
    if (fix !== undefined) assert.match(item.fix ?? '', fix);
    return item;
  }

  async function isGone(): Promise<void> {
    let items: FindingItem[] = [];
    await waitFor('nothing to be found', 20_000, async () => (items = await findings()).length === 0, 200).catch(() => assert.deepEqual(troubles(items), []));
  }

  const speak = (...frames: readonly Uint8Array[]): Promise<unknown> => guest.ask({ type: 'frames', ifname: 'guest1', hex: frames.map((frame) => Buffer.from(frame).toString('hex')) });
  const garp = (mac: string, vlan?: number): Promise<unknown> => speak(garpFrame(mac, ip('203.0.113.11'), vlan === undefined ? {} : { vlan }));

  it('finds nothing where nothing is wrong', async () => {
    await start(yaml([bound]));
    await garp(first);
    await isGone();
  });

  it('a RARP that means no address: found, and gone with a binding', async () => {
    await start(yaml());
    await speak(rarpFrame(first));
    await found(/^warn rarp: 1 MAC sends RARP and has no binding \(52:54:00:aa:00:01\)/, /^add them to identity\.bindings/);
    await reload(yaml([bound]));
    await isGone();
  });

  it('a guest behind a port that is marked for another: found, and gone with its mark', async () => {
    await start(yaml([bound]));
    await garp(second);
    const { fix = '' } = await found(/^warn marks: 52:54:00:aa:00:02 speaks behind tap1 and is refused: port is another guest's: its alias says 52:54:00:aa:00:01$/);
    await host.sh(/(ip link set tap1 alias \S+);/.exec(fix)?.[1] as string);
    await isGone();
    await host.sh(`ip link set tap1 alias mac=${first}`);
    await found(/^warn marks/);
  });

  it('a guest whose binding names another port: found, and gone once it names this one', async () => {
    const withPort = (port: string): string => yaml([bound, `{vm: demo/vm-3, mac: "${third}", ips: [203.0.113.13], port: ${port}}`]);
    await start(withPort('tap9'));
    await garp(third);
    const { fix = '' } = await found(/^warn marks: 52:54:00:aa:00:03 speaks behind tap1 and is refused: binding demo\/vm-3 is for port tap9$/);
    await reload(withPort(/name it in that binding: \{mac: 52:54:00:aa:00:03, port: (\S+)\}/.exec(fix)?.[1] as string));
    await isGone();
  });

  it('a guest in a VLAN that nobody watches: found, and gone once it is watched', async () => {
    await start(yaml([bound]));
    await garp(first, 7);
    await found(/^warn vlan: 52:54:00:aa:00:01 speaks behind tap1 in VLAN 7 and is refused: no watch of br-vlan covers that$/, /^watch\[\]\.vlans: add 7;/);
    await reload(yaml([bound], '0, 7, 100'));
    await garp(first, 7);
    await isGone();
  });

  it('a guest of which the hypervisor alone speaks: found after three landings, and gone once it speaks', async () => {
    const states = async (): Promise<string[]> => (JSON.parse((await cli('show', 'prefixes', '-o', 'json')).stdout) as ListReply<PrefixItem>).items.map(({ state }) => state).filter((state) => state !== 'withdrawn');
    const land = async (...frames: readonly Uint8Array[]): Promise<void> => {
      await host.sh('ip link set tap1 nomaster');
      await waitFor('the withdrawal', 20_000, async () => (await states()).length === 0, 50);
      await host.sh('ip link set tap1 master br-vlan');
      await waitFor('the claim', 20_000, async () => {
        await speak(...frames);
        return (await states()).length === 1;
      }, 300);
    };
    await start(yaml([bound]));
    for (let i = 0; i < 3; i++) await land(rarpFrame(first));
    await found(/^warn guests: only the hypervisor's RARP was heard in all migrations of demo\/vm-1 \(3\)$/, /net\.ipv4\.conf\.all\.arp_notify=1/);
    await land(rarpFrame(first), garpFrame(first, ip('203.0.113.11')));
    await isGone();
  });

  it('an address that the node itself sends elsewhere: found while it is so', async () => {
    await start(yaml([bound]));
    await garp(first);
    await host.sh('ip route add 203.0.113.11/32 via 192.0.2.1');
    await found(/^warn daemon: 203\.0\.113\.11\/32 is undeliverable: it is announced, and this node's own table sends it to rt0, not to br-vlan$/);
    await host.sh('ip route del 203.0.113.11/32');
    await isGone();
  });

  it('a node with the same gateway and another MAC: found, and gone once it has the same', async () => {
    await start(yaml([bound]));
    await host.namespaces.create('other');
    await host.namespaces.ip('fabric', ['link add sw type bridge', 'link set sw up', 'link add sw1 type veth peer name up0 netns @other', 'link set sw0 master sw', 'link set sw1 master sw up']);
    await host.namespaces.ip('other', ['link add br-vlan type bridge', 'link set br-vlan address 02:00:5e:00:01:02', 'link set br-vlan up', 'link set up0 master br-vlan up']);
    await host.sh('sysctl -qw net.ipv4.conf.br-vlan.arp_notify=1; ip addr add 203.0.113.1/24 dev br-vlan; ip link set br-vlan address 02:00:5e:00:01:03', 'other');
    const { text } = await found(/^warn daemon: br-vlan: gateway MAC differs: 203\.0\.113\.1 is 02:00:5e:00:01:01 here, 02:00:5e:00:01:03 at a node behind up0: VMs that land send into the void; ip link set br-vlan address MAC, the same on all nodes/);
    await host.sh((/; (ip link set br-vlan address MAC)/.exec(text)?.[1] as string).replace('MAC', /is (\S+) here/.exec(text)?.[1] as string), 'other');
    await isGone();
  });

  it('frames that were dropped before the daemon read them', async () => {
    await start(yaml([bound]));
    daemon?.signal('SIGSTOP');
    await must(host.namespaces.exec('fabric', [process.execPath, '--import', 'tsx', fileURLToPath(new URL('flood.ts', import.meta.url)), 'guest1', '60000', '20']), { timeoutMs: 40_000 });
    daemon?.signal('SIGCONT');
    let items: FindingItem[] = [];
    await waitFor('the finding', 30_000, async () => (items = (await findings()).filter(({ topic }) => topic === 'capture')).length > 0, 300);
    assert.match(items[0]?.text ?? '', /^\d+ of \d+ frames were dropped before the daemon read them/);
    assert.match(items[0]?.fix ?? '', /^process\.scheduling: fifo, or more CPU/);
  });

  it('a state file that the daemon can\'t write: found, and gone with another folder', async () => {
    await start(yaml([bound]).replace(/state: .*/, 'state: {file: /proc/landfall/state.json}'));
    await found(/^warn state: state file \/proc\/landfall\/state\.json cannot be written \(ENOENT\)/, /set state\.file$/);
    await start(yaml([bound]));
    await isGone();
  });
});
