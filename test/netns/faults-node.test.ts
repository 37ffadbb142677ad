import assert from 'node:assert/strict';
import type { NodeName } from '../../src/demo/addresses.ts';
import { must, sleep, wallMs } from '../../src/demo/processes.ts';
import { cableOf, nodeNamespace, plug, portOf, unplug } from '../../src/demo/topology.ts';
import { batchInNode, followed, logOf, report, routedTo, standStill, timesEstablished } from './faults.ts';
import { rarpFrame, resumeFrames } from './frames.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';

// Faults of the node itself: its daemon stands still, its ports and bridges come and go, its kernel tells more than anybody can hear. Every
// scenario begins with the VM on node a and leaves it there.

describe('faults of the node, frr', function () {
  this.timeout(120_000);
  let lab: Lab;
  const on = (node: NodeName): Promise<void> => lab.agree(allOn(node, [lab.vm]));
  /** The VM moves, and the router follows within so long of its RARP. */
  const moves = async (to: NodeName, boundMs = 1000): Promise<number> => {
    let resumedAt = NaN;
    await lab.stage.move(to, { leadMs: 150, keepSourceMs: 100 }, (times) => { resumedAt = times.resumedAt; });
    const ms = await followed(lab, to, resumedAt);
    assert.ok(ms < boundMs, `the router followed after ${ms} ms`);
    await on(to);
    return ms;
  };

  before(async function () {
    needs(this, 'frr');
    lab = await Lab.start({ mode: 'l3', tors: ['frr'] });
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });
  after(() => lab?.stop());
  beforeSecondTry(async () => {
    const noise = Array.from({ length: 20 }, (_, i) => `noise${i}`);
    for (const node of ['a', 'b'] as const) {
      await must(lab.topology.namespaces.exec(nodeNamespace(node), ['sh', '-c', `for link in br-other ${noise.join(' ')}; do ip link del $link 2> /dev/null; done; true`]));
    }
    await lab.home('a');
  });

  for (const forMs of [1000, 2500]) {
    it(`the destination's daemon stands still for ${forMs} ms around the RARP: it announces when it goes on, no session falls`, async () => {
      const sessions = timesEstablished(lab, 'b');
      await plug(lab.topology, lab.vm, 'b');
      await sleep(200);
      const goesOn = await standStill(lab.nodes.b, forMs, () => lab.stage.move('b', { leadMs: 0, keepSourceMs: forMs }));
      report(`followed ${(await followed(lab, 'b', goesOn)).toFixed(0)} ms after it went on`);
      await on('b');
      assert.equal(timesEstablished(lab, 'b'), sessions);
      await moves('a');
    });

    it(`the VM came and went back while the destination's daemon stood still for ${forMs} ms: the late frames announce nothing`, async () => {
      await plug(lab.topology, lab.vm, 'b'); // its port stays
      await sleep(200);
      // What comes in the last half second is not late: all is ready before.
      await lab.sendFrames('hv', cableOf(lab.vm, 'b'), []);
      await lab.stage.detach(lab.vm, 'a');
      const goesOn = await standStill(lab.nodes.b, forMs, async () => {
        await lab.sendFrames('hv', cableOf(lab.vm, 'b'), resumeFrames(lab.vm));
        await sleep(forMs / 3);
        await lab.stage.attach(lab.vm, 'a');
        await lab.sendFrames('hv', cableOf(lab.vm, 'a'), resumeFrames(lab.vm));
      });
      await sleep(1500);
      assert.deepEqual(routedTo(lab, 'b', goesOn), []);
      await on('a');
      await unplug(lab.topology, lab.vm, 'b');
      await on('a');
    });
  }

  it('the source\'s daemon stands still while its VM leaves: it gives way when it goes on', async () => {
    const goesOn = await standStill(lab.nodes.a, 2500, () => lab.stage.move('b', { leadMs: 150, keepSourceMs: 100 }));
    await on('b');
    assert.deepEqual(routedTo(lab, 'a', goesOn), []);
    await moves('a');
  });

  it('the destination\'s daemon stands still for longer than the hold time: the session is back, the state is the present one', async () => {
    const sessions = timesEstablished(lab, 'b');
    await plug(lab.topology, lab.vm, 'b');
    await sleep(200);
    const goesOn = await standStill(lab.nodes.b, 11_000, () => lab.stage.move('b', { leadMs: 0, keepSourceMs: 500 }));
    report(`followed ${(await followed(lab, 'b', goesOn, 20_000)).toFixed(0)} ms after it went on`);
    await lab.sessionsUp();
    await on('b');
    assert.ok(timesEstablished(lab, 'b') > sessions, 'the session fell');
    await moves('a');
  });

  it('the bridge is deleted and made again: the next move takes less than a second', async () => {
    for (let i = 0; i < 3; i++) {
      await batchInNode(lab, 'b', ['link del br-vlan', 'link add br-vlan type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set br-vlan up']);
    }
    report(`to node b after ${(await moves('b')).toFixed(0)} ms`);
    await moves('a');
    // And under a VM that lives there.
    await batchInNode(lab, 'a', ['link del br-vlan', 'link add br-vlan type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set br-vlan up', `link set ${portOf(lab.vm)} master br-vlan`]);
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });

  it('a port renamed, moved to another bridge and back, downed and upped, MTU changed, 50 times: the next move takes less than a second', async () => {
    await plug(lab.topology, lab.vm, 'b');
    const tap = portOf(lab.vm);
    const round = [
      `link set ${tap} down`, `link set ${tap} name tapx9`, 'link set tapx9 up', 'link set tapx9 master br-other', 'link set tapx9 mtu 1400', 'link set tapx9 nomaster',
      'link set tapx9 mtu 1500', 'link set tapx9 down', `link set tapx9 name ${tap}`, `link set ${tap} master br-vlan`, `link set ${tap} up`,
    ];
    await batchInNode(lab, 'b', ['link add br-other type bridge', 'link set br-other up', ...Array.from({ length: 50 }, () => round).flat(), 'link del br-other']);
    const from = wallMs();
    await lab.stage.detach(lab.vm, 'a');
    await lab.stage.attach(lab.vm, 'b');
    await lab.sendFrames('hv', cableOf(lab.vm, 'b'), resumeFrames(lab.vm));
    const ms = await followed(lab, 'b', from);
    report(`to node b after ${ms.toFixed(0)} ms`);
    assert.ok(ms < 1000);
    await on('b');
    await moves('a');
  });

  it('the VM\'s own port is renamed: it keeps its routes; it moves to a bridge that is not watched: they go', async () => {
    const tap = portOf(lab.vm);
    const from = wallMs();
    await batchInNode(lab, 'a', [`link set ${tap} name tap77`]);
    await sleep(2500);
    await on('a');
    assert.deepEqual((lab.watches[0]?.events ?? []).filter((event) => event.at >= from && event.deleted), []);
    await batchInNode(lab, 'a', [`link set tap77 name ${tap}`, 'link add br-other type bridge', 'link set br-other up', `link set ${tap} master br-other`]);
    await lab.agree(new Map());
    await batchInNode(lab, 'a', [`link set ${tap} master br-vlan`, 'link del br-other']);
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });

  it('the kernel tells more than fits while the daemon stands still: said once, and ports made and deleted meanwhile are known', async () => {
    const lines = logOf(lab, 'b').length;
    const links = Array.from({ length: 20 }, (_, i) => `noise${i}`);
    const noise = Array.from({ length: 1000 }, (_, round) => links.map((name) => `link set ${name} alias r${round}`)).flat();
    await batchInNode(lab, 'b', links.flatMap((name) => [`link add ${name} type veth peer name p${name}`, `link set ${name} up`]));
    const started = wallMs();
    lab.nodes.b.signal('SIGSTOP');
    try {
      await batchInNode(lab, 'b', [...noise, ...links.slice(0, 10).map((name) => `link del ${name}`)]);
      await plug(lab.topology, lab.vm, 'b'); // a port that nobody told of
    } finally {
      lab.nodes.b.signal('SIGCONT');
    }
    const told = wallMs();
    await lab.stage.detach(lab.vm, 'a');
    await lab.stage.attach(lab.vm, 'b');
    await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [rarpFrame(lab.vm.mac)]);
    const ms = await followed(lab, 'b', told);
    const overruns = logOf(lab, 'b').slice(lines).match(/ENOBUFS|No buffer space/g)?.length ?? 0;
    report(`20,000 changes in ${(told - started).toFixed(0)} ms, ${overruns} overruns, to node b after ${ms.toFixed(0)} ms`);
    assert.ok(overruns > 0, 'nothing overran');
    await on('b');
    // The deletion of a port that nobody told of withdraws its VM.
    lab.nodes.b.signal('SIGSTOP');
    try {
      await batchInNode(lab, 'b', [...noise.filter((line) => /noise1\d /.test(line)), ...noise.filter((line) => /noise1\d /.test(line))]);
      await unplug(lab.topology, lab.vm, 'b');
    } finally {
      lab.nodes.b.signal('SIGCONT');
    }
    await lab.agree(new Map());
    const present = (await lab.topology.namespaces.ipJson(nodeNamespace('b'), ['link', 'show', 'type', 'veth', 'master', 'br-vlan'])) as { ifname: string }[];
    assert.deepEqual(present.map(({ ifname }) => ifname), []);
    await batchInNode(lab, 'b', links.slice(10).map((name) => `link del ${name}`));
    await lab.stage.boot([lab.vm], 'a');
    await on('a');
  });
});
