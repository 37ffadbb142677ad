import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { NodeName } from '../../src/demo/addresses.ts';
import { asn, linkOf } from '../../src/demo/addresses.ts';
import { Daemon, must, sleep, waitFor, wallMs } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import { followed, leastMemory, logOf, report, timesEstablished, watchMemory } from './faults.ts';
import { Lab, beforeSecondTry, needs } from './lab.ts';

// Peers that behave badly, and networks that lose one direction: the other router hears the truth in time. Node b has a second peer that
// is none of the routers; a VM moves to and fro meanwhile.

const bad = { address: '192.0.2.201', node: '192.0.2.202' };

interface Heard {
  readonly event: string;
  readonly type?: number;
  readonly code?: number;
  readonly at?: number;
}

describe('faults of peers and paths, frr', function () {
  this.timeout(120_000);
  let lab: Lab;
  let here: NodeName = 'a';
  let peer: Daemon | undefined;
  let heard: Heard[] = [];
  const other = (): NodeName => (here === 'a' ? 'b' : 'a');

  const move = async (boundMs = 2000): Promise<number> => {
    const to = other();
    let resumedAt = NaN;
    await lab.stage.move(to, { leadMs: 150, keepSourceMs: 100 }, (times) => { resumedAt = times.resumedAt; });
    here = to;
    const ms = await followed(lab, to, resumedAt);
    assert.ok(ms < boundMs, `the router followed after ${ms.toFixed(0)} ms`);
    return ms;
  };
  const behave = async (behaviour: string): Promise<void> => {
    heard = [];
    const script = fileURLToPath(new URL('./bad-peer.ts', import.meta.url));
    peer = new Daemon('bad-peer', lab.topology.namespaces.exec('bad', [process.execPath, '--import', 'tsx', script, bad.address, String(asn.nodes), behaviour]), {
      onLine: (line) => {
        if (line.startsWith('{')) heard.push(JSON.parse(line) as Heard);
      },
    });
    await waitFor('the bad peer to be connected to', 20_000, () => heard.some(({ event }) => event === 'connected'));
  };
  /** The bad peer behaves for so long while the VM moves twice: the session with the router does not notice. */
  const unaffected = async (behaviour: string, forMs: number): Promise<void> => {
    const toTor = (): number => logOf(lab, 'b').match(/"peer":"tor","[^\n]*"to":"established"/g)?.length ?? 0;
    const before = toTor();
    await behave(behaviour);
    const until = wallMs() + forMs;
    const times = [await move(), await move()];
    await sleep(Math.max(0, until - wallMs()));
    report(`moves in ${times.map((ms) => ms.toFixed(0)).join(' and ')} ms`);
    assert.equal(toTor(), before, 'the session with the router fell');
    await peer?.stop('SIGKILL');
  };
  const drop = async (how: 'A' | 'D', directions: readonly ('INPUT' | 'OUTPUT')[], match: readonly string[] = []): Promise<void> => {
    for (const chain of directions) for (const end of ['--dport', '--sport']) {
      await must(lab.topology.namespaces.exec(nodeNamespace('b'), ['iptables', '-w', `-${how}`, chain, '-p', 'tcp', end, '179', ...match, '-j', 'DROP']));
    }
  };

  before(async function () {
    needs(this, 'frr');
    const extra = `    - name: bad
      address: ${bad.address}
      asn: ${asn.nodes}
      families: [ipv4-unicast, ipv6-unicast]
      timers: {hold: 9s, keepalive: 3s, connectRetry: 1s}
      nextHop: {ipv4: ${bad.node}, ipv6: "${linkOf(0, 'b').node.ipv6}"}
watch:
`;
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], nodes: { rewrite: (yaml) => (yaml.includes('name: node-b') ? yaml.replace('watch:\n', extra) : yaml) } });
    await lab.topology.namespaces.create('bad');
    await lab.topology.namespaces.ip('bad', ['link add eth0 type veth peer name bad0 netns @node-b', `addr add ${bad.address}/30 dev eth0`, 'link set eth0 up']);
    await lab.topology.namespaces.ip(nodeNamespace('b'), [`addr add ${bad.node}/30 dev bad0`, 'link set bad0 up']);
    await lab.stage.boot([lab.vm], 'a');
    await waitFor('the first route', 10_000, async () => (await lab.tor.routes()).some(({ best }) => best));
  });
  after(() => lab?.stop());
  beforeSecondTry(async () => {
    await lab.home('a');
    here = 'a';
  });
  afterEach(() => peer?.stop('SIGKILL'));

  for (const behaviour of ['silent', 'drip', 'closed', 'reset'] as const) {
    it(`a second peer that is ${behaviour}: the router's session and two moves are as ever`, () => unaffected(behaviour, 5000));
  }

  it('a second peer sends 100,000 prefixes and churns: bounded memory, KEEPALIVEs on time, nothing of it reaches the router', async () => {
    const { pid } = lab.nodes.b;
    const start = await leastMemory(pid, 500);
    const memory = watchMemory(pid);
    const sessions = timesEstablished(lab, 'b');
    await behave('table');
    await waitFor('the whole table', 30_000, () => heard.some(({ event }) => event === 'round'));
    const time = await move(5000);
    // Several rounds: garbage between two collections of the heap is in the peak, and not in what is held.
    const grown = await leastMemory(pid, 8000) - start;
    const peak = memory.peak() - start;
    const rounds = heard.filter(({ event }) => event === 'round').length;
    const beats = heard.filter(({ type, at }) => type === 4 && at !== undefined).map(({ at }) => at as number);
    const pause = Math.max(...beats.slice(1).map((at, i) => at - beats[i]!));
    const foreign = (await lab.tor.routes()).filter(({ prefix }) => !prefix.startsWith(lab.vm.ipv4) && !prefix.startsWith(lab.vm.ipv6));
    report(`${rounds} rounds of 100,000; +${grown.toFixed(0)} MiB, +${peak.toFixed(0)} at the peak; longest pause between KEEPALIVEs ${pause.toFixed(0)} ms; moved in ${time.toFixed(0)} ms`);
    assert.deepEqual(foreign, []);
    assert.ok(grown <= 64 && peak <= 80, `it grew by ${grown.toFixed(0)} MiB, at the peak by ${peak.toFixed(0)} MiB`);
    assert.ok(pause < 9000, 'KEEPALIVEs were late');
    assert.ok(timesEstablished(lab, 'b') <= sessions + 2, 'the router\'s session fell');
    assert.ok(!heard.some(({ event }) => event === 'gone'), 'the bad peer\'s own session lived');
    await peer?.stop('SIGKILL');
  });

  for (const { name, directions, match } of [
    { name: 'nothing in', directions: ['INPUT'], match: [] }, { name: 'nothing out', directions: ['OUTPUT'], match: [] }, { name: 'nothing at all', directions: ['INPUT', 'OUTPUT'], match: [] },
  ] as const) {
    it(`port 179 of node b is cut off, ${name}, while the VM moves: after the healing the state of now, no stale route`, async () => {
      await drop('A', directions, match);
      try {
        await sleep(300);
        await lab.stage.move(other(), { leadMs: 150, keepSourceMs: 100 });
        here = other();
        await sleep(10_500); // longer than the hold time
      } finally {
        await drop('D', directions, match);
      }
      await lab.sessionsUp();
      await stand();
    });
  }

  it('30 % of the packets of port 179 are lost, both ways: the VM moves, no route is wrong in the end', async () => {
    const match = ['-m', 'statistic', '--mode', 'random', '--probability', '0.3'];
    await drop('A', ['INPUT', 'OUTPUT'], match);
    try {
      report(`moved in ${(await move(10_000)).toFixed(0)} and ${(await move(10_000)).toFixed(0)} ms`);
    } finally {
      await drop('D', ['INPUT', 'OUTPUT'], match);
    }
    await lab.sessionsUp();
    await stand();
  });

  /** Every route of the VM leads to where it is, and to nowhere else. */
  const stand = async (): Promise<void> => {
    await waitFor(`routes to node ${here} alone`, 20_000, async () => {
      const routes = await lab.tor.routes();
      return [lab.vm.ipv4, lab.vm.ipv6].every((address) => routes.filter(({ prefix }) => prefix.startsWith(`${address}/`)).every(({ nextHop }) => nextHop === linkOf(0, here).node.ipv4 || nextHop === linkOf(0, here).node.ipv6))
        && routes.length === 2;
    }, 200).catch(async (error: Error) => assert.fail(`${error.message}: ${JSON.stringify(await lab.tor.routes())}`));
  };
});
