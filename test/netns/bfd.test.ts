import assert from 'node:assert/strict';
import { chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../src/demo/folder.ts';
import { Namespaces, removeLeftovers } from '../../src/demo/namespaces.ts';
import { Daemon, findProgram, killAtExit, landfallCommand, must, run, sleep, stopAll, waitFor } from '../../src/demo/processes.ts';
import type { ListReply, PeerItem } from '../../src/views/items.ts';

// BFD with the routers themselves, IPv4 and IPv6 at once. LANDFALL_BFD_SECONDS: how long the measurement of false alarms takes.

const prefix = `lfbf${process.pid}`;
const programs = { frr: ['zebra', 'bgpd', 'bfdd', 'vtysh'], bird: ['bird', 'birdc'] } as const;
const seconds = Number(process.env['LANDFALL_BFD_SECONDS'] ?? 10);
const links = [['tor4', '10.9.0.1', '10.9.0.2'], ['tor6', '2001:db8:9::1', '2001:db8:9::2']] as const;

const frrConf = `frr defaults traditional
router bgp 65010
 bgp router-id 10.9.0.1
 timers bgp 30 90
 no bgp default ipv4-unicast
${links.map(([, , node]) => ` neighbor ${node} remote-as 65010\n neighbor ${node} bfd 3 100 100\n`).join('')} address-family ipv4 unicast
${links.map(([, , node]) => `  neighbor ${node} activate\n`).join('')} exit-address-family
`;
const birdConf = `router id 10.9.0.1;
log stderr all;
protocol device { }
protocol bfd { interface "eth0" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }
${links.map(([name, router, node]) => `protocol bgp ${name} { local ${router} as 65010; neighbor ${node} as 65010; direct; hold time 90; passive on; bfd on; error wait time 1, 2; ipv4 { import all; export none; }; }`).join('\n')}
`;

for (const kind of ['frr', 'bird'] as const) {
  describe(`BFD with ${kind}`, function () {
    this.timeout(60_000 + seconds * 1000);
    const namespaces = new Namespaces(`${prefix}${kind}`);
    const folder = makeFolder();
    const file = (name: string): string => join(folder, name);
    const socket = file('landfall.sock');
    let daemon: Daemon | undefined;

    const config = (intervalMs: number): string => `apiVersion: landfall/v1
node: {name: node}
bgp:
  asn: 65010
  routerId: 10.9.0.2
  peers:
${links.map(([name, router]) => `    - {name: ${name}, address: "${router}", asn: 65010, families: [ipv4-unicast], timers: {hold: 90s, connectRetry: 1s}, nextHop: {ipv4: 10.9.0.2}, bfd: {minTx: ${intervalMs}ms, minRx: ${intervalMs}ms, multiplier: 3}}`).join('\n')}
watch:
  - {bridge: br0, ports: {local: ["tap*"], uplink: []}, announcements: [garp], prefixes: [198.51.100.0/24]}
state: {file: ${file('state.json')}}
log: {level: info, format: json}
api: {socket: ${socket}, mode: "0600"}
`;
    const startDaemon = async (intervalMs: number): Promise<void> => {
      writeFileSync(file('landfall.yaml'), config(intervalMs));
      daemon = new Daemon('landfall', namespaces.exec('node', [...landfallCommand(), 'run', '-c', file('landfall.yaml')]), { log: file('landfall.log') });
      await waitFor('landfall answers', 15_000, async () => (await peers().catch(() => [])).length === links.length, 200);
    };
    const peers = async (): Promise<PeerItem[]> => {
      const { stdout } = await run(namespaces.exec('node', [...landfallCommand(), '--socket', socket, 'show', 'peers', '-o', 'json']));
      return (JSON.parse(stdout) as ListReply<PeerItem>).items;
    };
    /** BIRD works the time of day out anew for each answer, and its last millisecond wavers: what was said first stands. */
    const said: string[] = [];
    const sinceWhen = (line: string): string => {
      const at = (text: string): [string, number] => [text.replace(/\S+$/, ''), Date.parse(`1970-01-01T${/\S+$/.exec(text)?.[0]}Z`)];
      const [who, when] = at(line);
      const before = said.find((text) => at(text)[0] === who && Math.abs(at(text)[1] - when) <= 5);
      if (before === undefined) said.push(line);
      return before ?? line;
    };
    const vtysh = async (command: string): Promise<string> => (await run(['vtysh', '--vty_socket', folder, '-c', command])).stdout;
    const birdc = async (command: string): Promise<string> => (await run(['birdc', '-s', file('bird.ctl'), ...command.split(' ')])).stdout;
    /** What the router says: its sessions that are up, and a text that changes when one has been down. */
    const routerSays = async (): Promise<{ up: number; history: string }> => {
      if (kind === 'bird') {
        const lines = (await birdc('show bfd sessions')).split('\n').filter((line) => links.some(([, , node]) => line.startsWith(`${node} `)));
        return { up: lines.filter((line) => / Up /.test(line)).length, history: lines.map((line) => sinceWhen(line.split(/\s+/).slice(0, 4).join(' '))).join('\n') };
      }
      const counters = JSON.parse(await vtysh('show bfd peers counters json')) as { peer: string; 'session-up': number; 'session-down': number }[];
      const all = JSON.parse(await vtysh('show bfd peers json')) as { status: string }[];
      return { up: all.filter(({ status }) => status === 'up').length, history: counters.map((each) => `${each.peer} ${each['session-up']} ${each['session-down']}`).join('\n') };
    };
    const allUp = async (): Promise<void> => {
      let seen: unknown;
      await waitFor('BGP and BFD to be up', 30_000, async () => {
        const [items, router] = [await peers(), await routerSays()];
        seen = { items: items.map(({ name, state, bfd, lastError }) => ({ name, state, bfd, lastError })), router };
        return items.every(({ state, bfd }) => state === 'established' && bfd?.state === 'up') && router.up === links.length;
      }, 300).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(seen)} ${daemon?.tail}`));
    };
    /** When each BGP session was lost, since `from`, by the daemon's log; and why. */
    const downs = (from: number): { peer: string; afterMs: number; cause: string }[] => readFileSync(file('landfall.log'), 'utf8').split('\n').flatMap((line) => {
      if (!line.includes('"session.transition"')) return [];
      const { time, peer, from: before, cause } = JSON.parse(line) as { time: string; peer: string; from: string; cause: string };
      return before === 'established' && Date.parse(time) >= from ? [{ peer, afterMs: Date.parse(time) - from, cause }] : [];
    });

    before(async function () {
      const missing = process.geteuid?.() !== 0 ? ['root'] : [...programs[kind], 'nft'].filter((program) => findProgram(program) === undefined);
      if (missing.length > 0) {
        if (process.env['CI'] === 'true') throw new Error(`would be skipped: needs ${missing.join(', ')}`);
        process.stderr.write(`    skipped: needs ${missing.join(', ')}\n`);
        return this.skip();
      }
      for (const name of ['router', 'node']) await namespaces.create(name);
      await namespaces.ip('router', ['link add eth0 type veth peer name eth0 netns @node', 'link set lo up', 'link set eth0 up', ...links.map(([, router]) => `address add ${router}/${router.includes(':') ? '64 nodad' : '24'} dev eth0`)]);
      await namespaces.ip('node', ['link add br0 type bridge', 'link set lo up', 'link set eth0 up', ...links.map(([, , node]) => `address add ${node}/${node.includes(':') ? '64 nodad' : '24'} dev eth0`)]);
      if (kind === 'bird') {
        writeFileSync(file('bird.conf'), birdConf);
        new Daemon('bird', namespaces.exec('router', [findProgram('bird') as string, '-f', '-c', file('bird.conf'), '-s', file('bird.ctl'), '-P', file('bird.pid')]), { log: file('bird.log') });
        await waitFor('bird answers', 10_000, async () => (await birdc('show status')).includes('up and running'));
      } else {
        const [, , uid, gid] = (readFileSync('/etc/passwd', 'utf8').split('\n').find((line) => line.startsWith('frr:')) ?? '').split(':');
        chownSync(folder, Number(uid), Number(gid));
        for (const name of ['zebra', 'bfdd', 'bgpd']) {
          writeFileSync(file(`${name}.conf`), name === 'bgpd' ? frrConf : 'log stdout\n');
          chownSync(file(`${name}.conf`), Number(uid), Number(gid));
          const control = name === 'bfdd' ? ['--bfdctl', file('bfdd.sock')] : [];
          new Daemon(name, namespaces.exec('router', [findProgram(name) as string, '-f', file(`${name}.conf`), '-i', file(`${name}.pid`), '-z', file('zserv.api'), '--vty_socket', folder, '-P', '0', ...control]), { log: file(`${name}.out`) });
          await waitFor(`${name} answers`, 10_000, async () => (await run(['vtysh', '--vty_socket', folder, '-d', name, '-c', 'show version'])).status === 0, 200);
        }
      }
      await startDaemon(300);
    });

    after(async () => {
      await stopAll();
      await namespaces.removeAll();
      if (process.env['LANDFALL_KEEP_LOGS'] !== '1') rmSync(folder, { recursive: true, force: true });
    });

    it('comes up over IPv4 and IPv6', allUp);

    it('BFD packets that are lost take the BGP sessions down within the Detection Time, though TCP is well', async () => {
      await sleep(1000);
      const from = Date.now();
      await must(namespaces.exec('node', ['nft', 'add table inet cut; add chain inet cut in { type filter hook input priority 0; }; add rule inet cut in udp dport 3784 drop']));
      await waitFor('both sessions to end', 5000, () => downs(from).length >= 2, 20).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(downs(from))}`));
      const found = downs(from);
      process.stdout.write(`      ${found.map(({ peer, afterMs }) => `${peer}: down after ${afterMs} ms`).join(', ')} (Detection Time 900 ms)\n`);
      assert.ok(found.every(({ cause, afterMs }) => /BFD/.test(cause) && afterMs < 1800), JSON.stringify(found));
      assert.ok((await peers()).every(({ lastError }) => /BFD/.test(lastError ?? '')));
      await must(namespaces.exec('node', ['nft', 'delete', 'table', 'inet', 'cut']));
      await allUp();
    });

    it('a link that is down at the router takes them down, too, long before the Hold Time', async () => {
      await sleep(1000);
      const from = Date.now();
      await namespaces.ip('router', ['link set eth0 down']);
      await waitFor('both sessions to end', 5000, () => downs(from).length >= 2, 20);
      process.stdout.write(`      ${downs(from).map(({ peer, afterMs }) => `${peer}: down after ${afterMs} ms`).join(', ')} (Hold Time 90 s)\n`);
      await namespaces.ip('router', ['link set eth0 up']);
      await namespaces.ip('router', ['address replace 2001:db8:9::1/64 dev eth0 nodad']); // gone with the link
      await allUp();
    });

    it('a speaker that is killed and started again keeps its BFD sessions up', async () => {
      const [before, ups] = [await routerSays(), (await peers()).map(({ bfd }) => bfd?.ups)];
      await daemon?.stop('SIGKILL');
      for (let i = 0; i < 10; i++) {
        await sleep(300);
        assert.deepEqual(await routerSays(), before);
      }
      await startDaemon(300);
      await allUp();
      assert.deepEqual(await routerSays(), before);
      assert.deepEqual((await peers()).map(({ bfd }) => bfd?.ups), ups);
    });

    it(`raises no false alarm in ${seconds} s at 3 × 100 ms, which it takes up without going down`, async () => {
      const ups = (await peers()).map(({ bfd }) => bfd?.ups);
      const before = await routerSays();
      await daemon?.stop('SIGKILL');
      await startDaemon(100);
      await allUp();
      await waitFor('the new intervals', 5000, async () => (await run(namespaces.exec('node', [...landfallCommand(), '--socket', socket, 'show', 'peers', '-o', 'wide']))).stdout.includes('BFD'));
      const from = Date.now();
      await sleep(seconds * 1000);
      const after = await routerSays();
      process.stdout.write(`      ${downs(from).length} sessions lost here; the router: ${before.history === after.history ? 'none' : `${before.history} → ${after.history}`}\n`);
      assert.deepEqual((await peers()).map(({ bfd }) => bfd?.ups), ups);
      assert.deepEqual(after, before);
    });

    it('a speaker that stops with Graceful Restart leaves BFD alone', async () => {
      const before = await routerSays();
      await daemon?.stop('SIGTERM');
      await sleep(1500);
      assert.deepEqual(await routerSays(), before);
    });
  });
}

killAtExit();
after(async function () {
  this.timeout(30_000);
  await stopAll();
  await removeLeftovers(prefix);
});
