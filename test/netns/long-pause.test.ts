import assert from 'node:assert/strict';
import type { NodeName, Vm } from '../../src/demo/addresses.ts';
import { demoVm, hostPrefix, vlan } from '../../src/demo/addresses.ts';
import type { RouteWatch } from '../../src/demo/kernel-routes.ts';
import { must, sleep, wallMs } from '../../src/demo/processes.ts';
import { cableOf, plug, unplug } from '../../src/demo/topology.ts';
import { statusOf } from './faults.ts';
import { announcementFrame, dadFrame, rarpFrame } from './frames.ts';
import { Lab, needs } from './lab.ts';

// Guests that stand still for longer than any grace and any deadline of a probe, while the ports for them are there at both nodes. The pod of
// each has spoken at its creation, then nobody says anything; later each runs on one of the nodes. FRR and BIRD are routers of the same nodes.

const stillMs = 25_000;
const graces = 'migration: {withdrawAfter: 1s, portGoneGrace: 1s, elevatedFor: 2s}\n';

for (const mode of ['l3', 'l2'] as const) {
  describe(`guests that are paused for long, FRR and BIRD, ${mode}`, function () {
    this.timeout(150_000);
    let lab: Lab;
    let from = 0;
    const [goes, stays, returns] = [1, 2, 3].map(demoVm) as [Vm, Vm, Vm];
    const vms = [goes, stays, returns];
    const prefixesOf = (of: readonly Vm[]): string[] => of.flatMap((vm) => [hostPrefix(vm.ipv4), hostPrefix(vm.ipv6)]);
    const lead = (where: readonly [NodeName, NodeName, NodeName]): Promise<void> => lab.agree(new Map(vms.map((vm, i) => [vm, where[i] as NodeName])));

    before(async function () {
      needs(this, 'frr', 'bird');
      lab = await Lab.start({ mode, tors: ['frr', 'bird'], vms: vms.length, nodes: { extra: graces } });
    });
    after(() => lab?.stop());

    /** Every prefix has been in the routers' kernels all the time since `from`. FRR replaces an IPv6 route by deleting it and adding another. */
    function neverWithout(): void {
      for (const { events } of lab.watches) for (const prefix of prefixesOf(vms)) assert.deepEqual(gaps(events.filter((event) => event.prefix === prefix && event.at >= from)), [], prefix);
    }

    /** Asks both routers for every prefix, again and again. */
    async function watchTables(forMs: number): Promise<void> {
      for (const until = performance.now() + forMs; performance.now() < until; await sleep(500)) {
        for (const tor of lab.tors) {
          const best = (await tor.routes()).filter((route) => route.best).map((route): string => route.prefix);
          for (const prefix of prefixesOf(vms)) assert.ok(best.includes(prefix), `${tor.kind} has no route to ${prefix}`);
        }
      }
    }

    it('no router is without a route, nothing moves while nobody speaks, and one that was announced at the destination stays there', async () => {
      for (const vm of vms) {
        await unplug(lab.topology, vm, 'b');
        await lab.stage.attach(vm, 'a');
      }
      await lab.stage.boot(vms, 'a');
      await lead(['a', 'a', 'a']);
      from = wallMs();
      for (const vm of vms) {
        await plug(lab.topology, vm, 'b');
        await lab.sendFrames('hv', cableOf(vm, 'b'), [dadFrame(vm.mac, vm.ipv6), announcementFrame(vm.mac, vm.ipv4), announcementFrame(vm.mac, vm.ipv6)]);
        await lab.stage.detach(vm, 'a');
      }
      await lab.sendFrames('hv', cableOf(returns, 'b'), [rarpFrame(returns.mac)]);
      await lead(['a', 'a', 'b']);
      await watchTables(stillMs);
      await lead(['a', 'a', 'b']);
      neverWithout();
    });

    it('then it runs at the destination: its route goes there', async () => {
      await lab.stage.attach(goes, 'b');
      await lab.stage.boot([goes], 'b');
      await unplug(lab.topology, goes, 'a');
      await lead(['b', 'a', 'b']);
      neverWithout();
    });

    it('then it runs at the source, silent, and its pod goes: its route has not moved', async () => {
      const before = await claimOf(stays);
      await lab.stage.attach(stays, 'a');
      await unplug(lab.topology, stays, 'b');
      await sleep(2500);
      await lead(['b', 'a', 'b']);
      assert.deepEqual(await claimOf(stays), before, 'the claim is the one that it was');
      neverWithout();
    });

    it('then it runs at the source though it was announced at the destination: its first ordinary packet brings it back', async () => {
      await lab.stage.attach(returns, 'a');
      await lab.topology.namespaces.ip(`vm${returns.index}`, ['neigh flush dev eth0']);
      // It asks for its gateway first.
      await must(lab.topology.namespaces.exec(`vm${returns.index}`, ['bash', '-c', `echo >/dev/udp/${vlan.gateway.ipv4}/9`]));
      await lead(['b', 'a', 'a']);
      await unplug(lab.topology, returns, 'b');
      await sleep(2500);
      await lead(['b', 'a', 'a']);
      neverWithout();
    });

    it('nothing was frozen', async () => {
      for (const node of ['a', 'b'] as const) {
        assert.ok((await lab.nodes[node].prefixes()).every(({ state }) => state !== 'held'));
        assert.doesNotMatch(JSON.stringify(await statusOf(lab.nodes[node])), /flap|conflict|frozen/);
      }
    });

    async function claimOf(vm: Vm): Promise<(number | undefined)[]> {
      return (await lab.nodes.a.prefixes()).filter(({ prefix }) => prefixesOf([vm]).includes(prefix)).map(({ sequence }) => sequence);
    }
  });
}

/** Routes that went and were not there again within half a second. */
function gaps(events: RouteWatch['events']): RouteWatch['events'] {
  return events.filter((event, i) => {
    if (!event.deleted) return false;
    const next = events[i + 1];
    return !event.prefix.includes(':') || next === undefined || next.deleted || next.at - event.at > 500;
  });
}
