import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeName } from '../../src/demo/addresses.ts';
import { must, sleep, waitFor } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import { Lab, needs } from './lab.ts';

// Packets that reach the node that a VM has left, while a slow router goes on sending them there: FRR's table follows UPDATEs 40 to 60 ms late.

const probes = ['udp-ipv4', 'udp-ipv6'] as const;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** Packets of each probe, 1 kHz, that were sent after the VM ran and never answered: one number for each move. */
async function lossOf(lab: Lab, moves: number): Promise<Record<(typeof probes)[number], number[]>> {
  await lab.stage.boot([lab.vm], 'a');
  await lab.agree(new Map([[lab.vm, 'a']]));
  await lab.stage.connectClient();
  lab.stage.startProbes();
  const lost: Record<(typeof probes)[number], number[]> = { 'udp-ipv4': [], 'udp-ipv6': [] };
  for (let move = 0; move < moves; move++) {
    const to: NodeName = move % 2 === 0 ? 'b' : 'a';
    // A new port takes part in its bridge up to a second after it has carrier (the kernel looks once a second): QEMU's tap has had it for longer.
    const { resumedAt } = await lab.stage.move(to, { leadMs: 1300, pauseMs: 20, keepSourceMs: 600 });
    await lab.agree(new Map([[lab.vm, to]]));
    const samples = await lab.stage.samples(resumedAt + 1, resumedAt + 400);
    for (const name of probes) lost[name].push((samples[name] ?? []).filter(([, answeredAt]) => answeredAt === null).length);
  }
  return lost;
}

describe('stragglers, frr, l3', function () {
  this.timeout(180_000);
  let folder: string;
  let lab: Lab | undefined;
  let without: Record<(typeof probes)[number], number[]> | undefined;
  before(function () {
    needs(this, 'frr');
    folder = mkdtempSync(join(tmpdir(), 'landfall-mesh-'));
    writeFileSync(join(folder, 'key'), 'a key of the whole fleet\n', { mode: 0o600 });
  });
  afterEach(async () => {
    await lab?.stop();
    lab = undefined;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('without: a slow router costs packets', async () => {
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], client: true });
    without = await lossOf(lab, 6);
    process.stderr.write(`      lost after RESUME, without: ${JSON.stringify(without)}\n`);
  });

  it('through the tunnel: nearly none; nothing of it is left afterwards, and nobody hears of a smaller MTU', async () => {
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], client: true, nodes: { extra: `stragglers: {enabled: true, ceiling: 3s, key: {file: ${folder}/key}}\nkernel: {refreshNeighbors: true}\n` } });
    const { namespaces } = lab.topology;
    const lost = await lossOf(lab, 8);
    process.stderr.write(`      lost after RESUME, with: ${JSON.stringify(lost)}\n`);
    for (const name of probes) {
      assert.ok(without === undefined || median(lost[name]) < median(without[name]), `${name}: no better than without`);
    }
    for (const node of ['a', 'b'] as const) {
      const ns = nodeNamespace(node);
      await waitFor('straggler routes to go', 15_000, async () => (await must(namespaces.exec(ns, ['sh', '-c', 'ip route show proto 180; ip -6 route show proto 180']))).trim() === '', 200);
      const [device] = (await namespaces.ipJson(ns, ['-s', 'link', 'show', 'lf-stragglers'])) as { mtu: number; stats64: { rx: { packets: number } } }[];
      assert.equal(device?.mtu, 1500);
      assert.ok((device?.stats64.rx.packets ?? 0) > 0, `packets came out of the tunnel on node ${node}`);
    }
    const icmp = await must(namespaces.exec('client', ['cat', '/proc/net/snmp']));
    const [names, values] = icmp.split('\n').filter((line) => line.startsWith('Icmp:')).map((line) => line.split(' ')) as [string[], string[]];
    assert.equal(values[names.indexOf('InDestUnreachs')], '0', 'unreachable and fragmentation-needed messages to the client');
  });

  it('a key of its own: nothing is believed, and nothing breaks', async () => {
    writeFileSync(join(folder, 'key-b'), 'another key\n', { mode: 0o600 });
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], nodes: { rewrite: (yaml) => `${yaml}stragglers: {enabled: true, mode: vxlan, key: {file: ${folder}/${yaml.includes('node-b') ? 'key-b' : 'key'}}}\n` } });
    await lab.stage.boot([lab.vm], 'a');
    await lab.agree(new Map([[lab.vm, 'a']]));
    await lab.stage.move('b', { leadMs: 300, keepSourceMs: 600 });
    await lab.agree(new Map([[lab.vm, 'b']]));
    await sleep(100);
    const { stdout } = await lab.nodes.a.cli(['status']);
    assert.match(stdout, /1 of 1 established/);
    const rx = (await lab.topology.namespaces.ipJson(nodeNamespace('b'), ['-s', 'link', 'show', 'lf-stragglers'])) as { stats64: { rx: { packets: number } } }[];
    assert.equal(rx[0]?.stats64.rx.packets, 0);
  });
});
