import assert from 'node:assert/strict';
import { packUpdates } from '../../bgp/pack-updates.ts';
import { encodeMessage } from '../../bgp/wire/message.ts';
import type { Config } from '../../config/config.ts';
import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { families, hostPrefix, ip, type IpAddress } from '../../net/ip.ts';
import { parseMac, type Mac } from '../../net/mac.ts';
import { clockSequence } from '../../routes/claim.ts';
import { encodeClaimMarks } from '../../routes/claim-communities.ts';
import { answerProbe } from '../sim/probe-answer.ts';
import { Fabric, vm4, vm6, vmMac, type SimNode } from '../sim/fabric.ts';

// A node that is mistaken or worse: its clock is years ahead, or it claims other nodes' VMs.

const context = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 } as const;
const rogueNode = ip('192.0.2.66');
const thief = parseMac('52:54:00:ee:00:66') as Mac;
const year = 365 * 86_400;

/** A session of the rogue's with the reflector. */
function rogue(fabric: Fabric): (sequence: number, mac?: Mac, addresses?: readonly IpAddress[]) => void {
  fabric.router.connect('rogue', rogueNode, () => undefined);
  fabric.router.receive('rogue', encodeMessage({ type: 'OPEN', version: 4, myAs: 65010, holdTimeSeconds: 0, bgpIdentifier: rogueNode, capabilities: [] }, context));
  fabric.router.receive('rogue', encodeMessage({ type: 'KEEPALIVE' }, context));
  return (sequence, mac = vmMac, addresses = [vm4, vm6]) => {
    const changes = addresses.map((address) => ({
      type: 'announce' as const,
      route: {
        prefix: hostPrefix(address),
        attributes: {
          origin: 'IGP' as const, asPath: [], nextHop: address.includes(':') ? ip('2001:db8::66') : rogueNode, med: 0, localPref: Math.min(sequence, 0xffffffff),
          communities: [], largeCommunities: encodeClaimMarks(65010, { segment: 0, sequence, mac, node: rogueNode }),
        },
      },
    }));
    for (const update of packUpdates(changes, { context, localAsn: 65010, families, peerType: 'ibgp' })) fabric.router.receive('rogue', encodeMessage(update, context));
  };
}

function withVm(more?: (c: Config) => Config): { fabric: Fabric; a: SimNode; claim: ReturnType<typeof rogue>; nowSequence: () => number; tap: number } {
  const fabric = new Fabric();
  const a = fabric.addNode(1, more);
  fabric.run(3000);
  const tap = fabric.addPort(a, 'tap0');
  a.onProbe = (ifindex, probe) => { if (ifindex === tap) answerProbe(fabric, a, ifindex, probe); };
  for (const frame of [garpFrame(vmMac, vm4), naFrame(vmMac, vm6)]) fabric.frame(a, tap, frame);
  fabric.run(2000);
  return { fabric, a, claim: rogue(fabric), nowSequence: () => clockSequence(fabric.now()), tap };
}

const handover = (node: SimNode, address = vm4) => node.speaker.world.locRib.handovers.get(`default|${address}/${address.includes(':') ? 128 : 32}` as never);
const learn = (c: Config): Config => ({ ...c, identity: { ...c.identity, mode: 'learn', bindings: [] } });

describe('a claim from the future', () => {
  for (const [what, sequence] of [['ten years ahead', (now: number) => now + 10 * year], ['2^32 - 1', () => 0xffffffff], ['a day and a bit ahead', (now: number) => now + 86_500]] as const) {
    it(`${what}: refused, alarmed, never adopted, and our claim stands`, () => {
      const { fabric, a, claim, nowSequence, tap } = withVm();
      const before = handover(a)?.sequence as number;
      claim(sequence(nowSequence()));
      fabric.run(100);
      assert.deepEqual([handover(a)?.state, handover(a)?.sequence, handover(a, vm6)?.state], ['elevated', before, 'elevated']);
      assert.equal(a.speaker.world.counters.futures, 2);
      assert.ok(a.notes.some((n) => n.level === 'warn' && n.event === 'route.refused' && n.fields['verdict'] === 'future' && n.fields['node'] === rogueNode));
      // The next claim is a sane one.
      fabric.removePort(a, tap);
      fabric.run(5000);
      fabric.frame(a, fabric.addPort(a, 'tap1'), rarpFrame(vmMac));
      assert.ok((handover(a)?.sequence as number) <= nowSequence() + 5);
    });

    it(`${what}: it teaches no binding, and keeps nobody from an address`, () => {
      const { fabric, a, claim, nowSequence } = withVm(learn);
      const free = ip('203.0.113.50');
      claim(sequence(nowSequence()), thief, [free]);
      fabric.run(10);
      assert.equal(a.speaker.world.bindings.routes.pairs.size, 0);
      fabric.frame(a, fabric.addPort(a, 'tap2'), garpFrame(parseMac('52:54:00:bb:00:07') as Mac, free));
      assert.equal(handover(a, free)?.state, 'elevated');
    });
  }
});

describe('a claim of the next hour for a VM that answers', () => {
  for (const mode of ['strict', 'learn'] as const) {
    it(`mode ${mode}: the VM is asked, answers, and is claimed again above it`, () => {
      const { fabric, a, claim, nowSequence } = withVm(mode === 'learn' ? learn : undefined);
      const bid = nowSequence() + 3600;
      claim(bid, mode === 'learn' ? thief : vmMac);
      fabric.run(3000);
      for (const address of [vm4, vm6]) {
        assert.equal(fabric.best(address), 'hv-1');
        assert.ok((handover(a, address)?.sequence as number) > bid, 'above the rogue\'s');
      }
    });
  }

  it('a bid for a bound address under another MAC moves nothing by RARP, and the binding stands', () => {
    const { fabric, a, claim, nowSequence } = withVm((c) => ({ ...c, identity: { ...c.identity, mode: 'learn' } }));
    claim(nowSequence() + 3600, thief);
    fabric.run(3000);
    const before = handover(a)?.endpoint?.mac;
    fabric.frame(a, fabric.addPort(a, 'tap2'), rarpFrame(thief));
    fabric.frame(a, fabric.addPort(a, 'tap3'), garpFrame(thief, vm4));
    fabric.run(100);
    assert.equal(handover(a)?.endpoint?.mac, before);
    assert.deepEqual([...a.speaker.world.ignored.values()].filter((i) => i.mac === thief).map((i) => i.verdict).sort(), ['conflict', 'no_binding']);
  });
});
