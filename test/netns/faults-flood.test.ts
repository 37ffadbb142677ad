import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeName } from '../../src/demo/addresses.ts';
import { must, run, sleep, wallMs } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import type { BindingItem } from '../../src/views/items.ts';
import { followed, report, statusOf, timesEstablished, watchMemory } from './faults.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// What a tenant or a local user can pour over one daemon, while a VM of somebody else moves.

describe('floods, frr', function () {
  this.timeout(120_000);
  let lab: Lab;
  const on = (node: NodeName): Promise<void> => lab.agree(allOn(node, [lab.vm]), 30_000);

  /** A tenant's port of a node, whose other end is `flood-<node>` in hv. */
  const plugTenant = async (node: NodeName): Promise<void> => {
    await lab.topology.namespaces.ip('hv', [`link add flood-${node} type veth peer name veth-${node} netns @${nodeNamespace(node)}`, `link set flood-${node} arp off`, `link set flood-${node} up`]);
    await lab.topology.namespaces.ip(nodeNamespace(node), [`link set veth-${node} master br-vlan up`]);
  };
  const flood = async (node: NodeName, frames: number, seconds: number): Promise<{ sent: number; ms: number }> => {
    const script = fileURLToPath(new URL('./flood.ts', import.meta.url));
    const text = await must(lab.topology.namespaces.exec('hv', [process.execPath, '--import', 'tsx', script, `flood-${node}`, String(frames), String(seconds)]), { timeoutMs: 60_000 });
    return JSON.parse(text) as { sent: number; ms: number };
  };
  /** Moves the VM in the middle of what `pouring` does, and says how the daemon there took it. */
  const moveDuring = async (to: NodeName, pouring: () => Promise<string>): Promise<void> => {
    const sessions = (['a', 'b'] as const).map((node) => timesEstablished(lab, node));
    const { pid } = lab.nodes[to];
    const before = await statusOf(lab.nodes[to]);
    const memory = watchMemory(pid);
    const startMiB = memory.now();
    const poured = pouring();
    await sleep(1500);
    let resumedAt = NaN;
    await lab.stage.move(to, { leadMs: 300, keepSourceMs: 100 }, (times) => { resumedAt = times.resumedAt; });
    const ms = await followed(lab, to, resumedAt);
    const duringMs = wallMs() - resumedAt;
    const words = await poured;
    const { capture } = await statusOf(lab.nodes[to]);
    const migration = (await lab.nodes[to].migrations()).filter(({ direction }) => direction === 'in').at(-1);
    const grown = memory.peak() - startMiB;
    report(`${words}; moved in ${ms.toFixed(0)} ms (announced ${((migration?.announceSeconds ?? NaN) * 1000).toFixed(1)} ms after its frame, seen by ${migration?.seenBy}); `
      + `+${grown.toFixed(0)} MiB; ${capture.frames - before.capture.frames} frames read, ${capture.dropped - before.capture.dropped} dropped; ${duringMs.toFixed(0)} ms`);
    await on(to);
    assert.deepEqual((['a', 'b'] as const).map((node) => timesEstablished(lab, node)), sessions, 'no session fell');
    assert.ok(grown <= 64, `it grew by ${grown.toFixed(0)} MiB`);
    // As ever, with some time for a machine that also makes the flood.
    assert.ok(ms < 2000, `the router followed after ${ms.toFixed(0)} ms`);
  };

  before(async function () {
    needs(this, 'frr');
    // Node a learns from frames, node b is strict.
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], nodes: { localPorts: ['veth-*'], rewrite: (yaml) => {
      // A line for each frame is not what runs in the field.
      const quiet = yaml.replace('level: debug', 'level: info');
      return quiet.includes('name: node-a') ? quiet.replace('mode: strict', 'mode: learn') : quiet;
    } } });
    for (const node of ['a', 'b'] as const) await plugTenant(node);
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });
  after(() => lab?.stop());
  beforeSecondTry(async (title) => {
    // What node a has learned of a flood stays, but that comes last.
    if (!title.includes('a node that learns')) await lab.home(title.includes('strict') ? 'a' : 'b');
  });

  it('a tenant floods a strict node with announcements of other MACs: a VM moves there all the same', async () => {
    await moveDuring('b', async () => {
      const { sent, ms } = await flood('b', 300_000, 12);
      return `${sent} frames in ${ms.toFixed(0)} ms`;
    });
  });

  it('a local user floods the API socket: refused in order, and a VM moves as before', async () => {
    const to: NodeName = (await lab.nodes.a.prefixes()).some(({ state }) => state === 'normal' || state === 'elevated') ? 'b' : 'a';
    const path = join(lab.nodes[to].folder, 'landfall.sock');
    const sockets = new Set<Socket>();
    let answers = 0;
    let ended = 0;
    const open = (): Socket => {
      const socket = connect(path);
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => { answers += 1; });
      socket.on('close', () => { ended += 1; sockets.delete(socket); });
      return socket;
    };
    try {
      await moveDuring(to, async () => {
        const line = open(); // 64 MiB that never become a line
        const chunk = Buffer.alloc(1 << 20, 'x');
        for (let i = 0; i < 64 && !line.destroyed; i++) if (!line.write(chunk)) await Promise.race([new Promise((resolve) => line.once('drain', resolve)), new Promise((resolve) => line.once('close', resolve))]);
        assert.ok(line.writableEnded || line.destroyed || await gone(line), 'the endless line was hung up on');
        const slow = open(); // one octet a second
        const timer = setInterval(() => slow.write('G'), 1000);
        for (let i = 0; i < 30; i++) open().write('POST /v1/withdraw HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"addr');
        for (let i = 0; i < 1000; i++) {
          open().write('GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(3));
          if (i % 50 === 0) await sleep(20);
        }
        await sleep(3000);
        clearInterval(timer);
        for (const socket of sockets) socket.destroy();
        await sleep(300);
        return `1,032 connections, ${answers} answers, ${ended} hung up on`;
      });
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await sleep(200);
    assert.equal((await lab.nodes[to].cli(['status'])).status, 0);
    const nobody = await run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '-e', `require('node:net').connect(${JSON.stringify(path)}).on('error', (e) => { console.log(e.code); process.exit(0); }).on('connect', () => { console.log('connected'); process.exit(0); })`]);
    assert.equal(nobody.stdout.trim(), 'EACCES', nobody.stderr);
  });

  it('a tenant floods a node that learns: the tables keep their bounds, no session falls, and the VM that lives there keeps its routes', async () => {
    const { pid } = lab.nodes.a;
    const sessions = timesEstablished(lab, 'a');
    const memory = watchMemory(pid);
    const startMiB = memory.now();
    const from = wallMs();
    const { sent, ms } = await flood('a', 200_000, 10);
    await sleep(1500);
    const { stdout } = await lab.nodes.a.cli(['show', 'bindings', '-o', 'json']);
    const learned = (JSON.parse(stdout) as { items: BindingItem[] }).items.length;
    const held = (await lab.nodes.a.prefixes()).length;
    const { capture } = await statusOf(lab.nodes.a);
    const grown = memory.peak() - startMiB;
    report(`${sent} frames in ${ms.toFixed(0)} ms: ${learned} bindings, ${held} prefixes; +${grown.toFixed(0)} MiB; ${capture.dropped} dropped`);
    assert.ok(learned <= 5000 && held <= 10_000);
    assert.ok(grown <= 64, `it grew by ${grown.toFixed(0)} MiB`);
    assert.equal(timesEstablished(lab, 'a'), sessions, 'no session fell');
    assert.deepEqual((lab.watches[0]?.events ?? []).filter((event) => event.at >= from && event.deleted && event.prefix.startsWith(lab.vm.ipv4)), []);
  });
});

async function gone(socket: Socket): Promise<boolean> {
  for (let i = 0; i < 50 && !socket.destroyed; i++) await sleep(100);
  return socket.destroyed;
}
