import assert from 'node:assert/strict';
import type { NodeName } from '../../src/demo/addresses.ts';
import { demoVm, hostPrefix, tapMac } from '../../src/demo/addresses.ts';
import { torPort } from '../../src/demo/kernel-routes.ts';
import { sleep } from '../../src/demo/processes.ts';
import { cableOf, nodeNamespace, plug } from '../../src/demo/topology.ts';
import type { IgnoredItem } from '../../src/views/items.ts';
import { Lab, allOn, beforeSecondTry, needs } from './lab.ts';
import { announcementFrame, garpFrame, rarpFrame, resumeFrames } from './frames.ts';

// A tenant who forges the victim's MAC and addresses together: 100 rounds from another port of the victim's node, 100 from another node
// whose ports are marked. The router's kernel and the count of UPDATEs are asked, not our own log.

const rounds = 100;

for (const kind of ['frr', 'bird'] as const) {
  describe(`a tenant with the victim's MAC and addresses, ${kind}`, function () {
    this.timeout(90_000);
    let lab: Lab;
    const tenant = demoVm(50);

    before(async function () {
      needs(this, kind);
      lab = await Lab.start({ mode: 'l3', tors: [kind], nodes: { localPorts: ['veth-*'], extra: 'migration: {firstEvidence: any}\n' } });
      await lab.stage.boot([lab.vm], 'a');
      await lab.agree(allOn('a', [lab.vm]));
      await plugMarked('a', 'evil-a', undefined);
      await plugMarked('b', 'evil-b', `mac=${tenant.mac}`);
      await plugMarked('b', 'libvirt-b', `vm-50 mac=${tenant.mac}`);
      await sleep(500);
    });
    after(() => lab?.stop());

    async function plugMarked(node: NodeName, name: string, alias: string | undefined): Promise<void> {
      await lab.topology.namespaces.ip('hv', [`link add ${name} type veth peer name veth-${name} netns @${nodeNamespace(node)}`, `link set ${name} arp off`, `link set ${name} up`]);
      await lab.topology.namespaces.ip(nodeNamespace(node), [
        `link set veth-${name} address ${tapMac(tenant)}`,
        ...(alias === undefined ? [] : [`link set veth-${name} alias "${alias}"`]),
        `link set veth-${name} master br-vlan up`,
      ]);
    }

    const forged = () => [...resumeFrames(lab.vm), garpFrame(lab.vm.mac, lab.vm.ipv4, { reply: true }), announcementFrame(lab.vm.mac, lab.vm.ipv6)];

    async function refusedOn(node: NodeName, port: string): Promise<Map<string, number>> {
      const { items } = JSON.parse((await lab.nodes[node].cli(['show', 'ignored', '-o', 'json'])).stdout) as { items: IgnoredItem[] };
      const counts = new Map<string, number>();
      for (const item of items.filter((each) => each.port === port)) counts.set(item.verdict, (counts.get(item.verdict) ?? 0) + item.count);
      return counts;
    }

    for (const [what, node, port, verdict] of [
      ['from another port of the same node, unmarked', 'a', 'evil-a', 'conflict'],
      ['from a port of another node that is marked as its own', 'b', 'evil-b', 'wrong_port'],
    ] as const) {
      it(`${what}: ${rounds} rounds, 0 moves`, async () => {
        const routesBefore = lab.watches[0]?.events.length;
        await lab.withoutUpdate(async () => {
          for (let round = 0; round < rounds; round++) await lab.sendFrames('hv', port, forged());
        });
        assert.equal(lab.watches[0]?.events.length, routesBefore, 'the router\'s kernel routes did not change');
        const refused = await refusedOn(node, `veth-${port}`);
        assert.deepEqual([...refused.keys()], [verdict]);
        assert.ok((refused.get(verdict) ?? 0) >= rounds * forged().length, `${refused.get(verdict)} refusals`);
        await lab.agree(allOn('a', [lab.vm]));
      });
    }

    it('the VM itself still moves to that node, and the tenant can\'t follow it there', async () => {
      await lab.stage.move('b', { leadMs: 200 });
      await lab.agree(allOn('b', [lab.vm]));
      await lab.withoutUpdate(() => lab.sendFrames('hv', 'evil-b', forged()));
      await lab.sendFrames('hv', 'libvirt-b', [rarpFrame(lab.vm.mac)]);
      await sleep(200);
      assert.equal(lab.watches[0]?.firstVia(hostPrefix(lab.vm.ipv4), torPort('a'), Date.now() - 1000), undefined);
    });
  });
}

describe('identity.unverifiedPorts: refuse', function () {
  this.timeout(60_000);
  let lab: Lab;
  before(async function () {
    needs(this, 'frr');
    const refuse = (yaml: string): string => yaml.replace('identity:\n', 'identity:\n  unverifiedPorts: refuse\n');
    lab = await Lab.start({ mode: 'l3', tors: ['frr'], nodes: { rewrite: refuse, extra: 'migration: {firstEvidence: any}\n' } });
    await lab.stage.boot([lab.vm], 'a');
    await lab.agree(allOn('a', [lab.vm]));
  });
  after(() => lab?.stop());
  beforeSecondTry(() => lab.home('a'));

  it('an unmarked port takes nothing from node a; once its alias names the guest, it does', async () => {
    await plug(lab.topology, lab.vm, 'b');
    await lab.withoutUpdate(() => lab.sendFrames('hv', cableOf(lab.vm, 'b'), resumeFrames(lab.vm)));
    await lab.topology.namespaces.ip(nodeNamespace('b'), [`link set tap${lab.vm.index} alias "mac=${lab.vm.mac}"`]);
    await sleep(300);
    await lab.stage.detach(lab.vm, 'a');
    await lab.stage.attach(lab.vm, 'b');
    await lab.sendFrames('hv', cableOf(lab.vm, 'b'), [rarpFrame(lab.vm.mac)]);
    await lab.agree(allOn('b', [lab.vm]));
  });
});
