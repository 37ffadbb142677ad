import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostPrefix } from '../../src/demo/addresses.ts';
import { sleep, waitFor } from '../../src/demo/processes.ts';
import { cableOf, plug, portOf, unplug } from '../../src/demo/topology.ts';
import type { FindingItem } from '../../src/views/items.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';
import { garpFrame, rarpFrame, resumeFrames } from './frames.ts';

// Claims that wait for the policy of their port, addresses that live at two nodes, and what is remembered of it after a restart.

for (const kind of ['frr', 'bird'] as const) describe(`a policy gate, an address at two nodes, and the history, ${kind}, l3`, function () {
  this.timeout(90_000);
  let lab: Lab;
  let folder: string;
  const policy = (): string => join(folder, portOf(lab.vm));
  const on = (node: 'a' | 'b'): Promise<void> => lab.agree(allOn(node, [lab.vm]));
  const stateOn = async (node: 'a' | 'b'): Promise<string | undefined> => (await lab.nodes[node].prefixes()).find((item) => item.prefix === hostPrefix(lab.vm.ipv4))?.state;

  /** What doctor on a node says of the address that is held. */
  const doctorSays = async (node: 'a' | 'b'): Promise<unknown> => {
    const { items } = JSON.parse((await lab.nodes[node].cli(['doctor', '-o', 'json'])).stdout) as { items: FindingItem[] };
    const found = items.find(({ topic, text }) => topic === 'held' && text.startsWith(hostPrefix(lab.vm.ipv4)));
    return found && { result: found.result, fix: found.fix };
  };

  before(async function () {
    needs(this, kind);
    folder = mkdtempSync(join(tmpdir(), 'landfall-gate-'));
    const extra = `gate: {checks: [{file: "${folder}/{port}"}], timeout: 300ms}
telemetry: {history: {keep: 100, file: "${folder}/history-{node}.jsonl"}}
migration: {flap: {moves: 5, within: 180s, hold: until-cleared}}
`;
    lab = await Lab.start({ mode: 'l3', tors: [kind], nodes: { extra } });
    writeFileSync(policy(), '');
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });
  after(async () => {
    await lab?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeSecondTry(async (title) => {
    writeFileSync(policy(), '');
    for (const node of ['a', 'b'] as const) for (const address of [lab.vm.ipv4, lab.vm.ipv6]) await lab.nodes[node].cli(['clear', address]);
    await lab.home(title.startsWith('holds') ? 'a' : 'b');
  });

  it('holds the claim while the gate is shut, says so, and claims in the moment it opens', async () => {
    rmSync(policy());
    await plug(lab.topology, lab.vm, 'b');
    await sleep(500);
    await lab.withoutUpdate(async () => {
      await lab.stage.detach(lab.vm, 'a');
      await lab.stage.attach(lab.vm, 'b');
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [rarpFrame(lab.vm.mac)]);
    }, 800);
    assert.equal(await stateOn('b'), 'held');
    assert.deepEqual(await doctorSays('b'), { result: 'warn', fix: 'see gate.checks' });
    const why = await lab.nodes.b.cli(['show', 'why', lab.vm.ipv4]);
    assert.match(why.stdout, /is held, and not announced: the policy gate of its port is shut .* is not there\); gate\.timeout is over/);
    writeFileSync(policy(), '');
    const opened = Date.now();
    await waitFor('the router to follow', 2000, async () => (await lab.tor.routes()).some((route) => route.best && route.prefix === hostPrefix(lab.vm.ipv4)) && await stateOn('b') === 'elevated', 20);
    assert.ok(Date.now() - opened < 1500, `${Date.now() - opened} ms after the gate opened`);
    await on('b');
    const moved = (await lab.nodes.b.migrations()).find((item) => item.direction === 'in' && item.prefix === hostPrefix(lab.vm.ipv4));
    assert.ok((moved?.heldSeconds ?? 0) > 0.7, `held for ${moved?.heldSeconds} s`);
    const events = moved?.timeline.map((line) => line.event) ?? [];
    assert.deepEqual(events.slice(0, 6), ['frame', 'held', 'held', 'released', 'accepted', 'announced']);
    assert.ok((moved?.announceSeconds ?? 0) > (moved?.heldSeconds ?? 1), 'the announce time counts from the frame');
    await unplug(lab.topology, lab.vm, 'a');
  });

  it('moves an address that lives at both nodes at most five times in fifty announcements, and keeps it where it was', async () => {
    await plug(lab.topology, lab.vm, 'a');
    await sleep(3000); // by now nobody takes node b's claim for one that it has just made
    const from = Date.now();
    for (let i = 0; i < 50; i++) {
      const node = i % 2 === 0 ? 'a' : 'b';
      await lab.sendFrames('hv', cableOf(lab.vm, node), i < 2 ? resumeFrames(lab.vm) : [garpFrame(lab.vm.mac, lab.vm.ipv4)]);
      await sleep(150);
    }
    const devices = (lab.watches[0]?.events ?? []).filter((event) => event.prefix === hostPrefix(lab.vm.ipv4) && event.at >= from && !event.deleted).map((event) => event.device);
    const moves = devices.filter((device, i) => i === 0 || device !== devices[i - 1]).length;
    assert.ok(moves <= 5, `the router's kernel moved it ${moves} times: ${devices.join()}`);
    assert.equal(await stateOn('a'), 'held');
    assert.match((await lab.nodes.a.cli(['show', 'prefixes', '--state', 'held'])).stdout, new RegExp(`${lab.vm.ipv4}/32 .* held `));
    assert.match((await lab.nodes.a.cli(['status'])).stdout, /is held: it moved \d+ times within 180 s/);
    assert.deepEqual(await doctorSays('a'), { result: 'warn', fix: `landfall clear ${lab.vm.ipv4}` });
    const verdicts = (await lab.nodes.a.cli(['show', 'ignored', '-o', 'json'])).stdout;
    for (const verdict of ['flap', 'held']) assert.match(verdicts, new RegExp(`"verdict": ?"${verdict}"`));
    lab.neverMultipath();
  });

  it('is lifted by clear, after which the address follows its VM again', async () => {
    await unplug(lab.topology, lab.vm, 'a');
    for (const node of ['a', 'b'] as const) for (const address of [lab.vm.ipv4, lab.vm.ipv6]) await lab.nodes[node].cli(['clear', address]);
    const again = await lab.nodes.a.cli(['clear', `${lab.vm.ipv4}/32`]);
    assert.equal(again.status, 0);
    assert.match(again.stderr, /was not held/);
    await lab.stage.boot([lab.vm], 'b');
    await on('b');
    await lab.stage.move('a', { leadMs: 300, keepSourceMs: 100 });
    await on('a');
  });

  it('shows the migrations of an earlier life after a restart', async () => {
    const before = (await lab.nodes.b.migrations()).filter((item) => item.direction === 'in').map((item) => item.id);
    assert.ok(before.length > 0);
    await lab.nodes.b.stop('SIGTERM');
    await lab.nodes.b.start();
    await lab.sessionsUp(['b']);
    const after = await lab.nodes.b.migrations();
    for (const id of before) assert.ok(after.some((item) => item.id === id), `${id} in ${after.map((item) => item.id).join()}`);
    const shown = await lab.nodes.b.cli(['show', 'migration', before[0] as string]);
    assert.match(shown.stdout, /frame +\w+ from .*\(kernel time stamp\)/);
  });
});
