import assert from 'node:assert/strict';
import type { Config } from '../../config/config.ts';
import { garpFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { Fabric, vm4, vmMac, type SimNode } from './fabric.ts';

// Each sign of `migration.withdrawOn` by itself: it makes the source leave where it is listed, and does not where it is not.

type Sign = Config['migration']['withdrawOn'][number];
const signs: readonly Sign[] = ['uplink-announcement', 'remote-claim', 'port-gone'];

function start(withdrawOn: readonly Sign[]): { fabric: Fabric; a: SimNode; tap: number } {
  const fabric = new Fabric();
  const a = fabric.addNode(1, (config) => ({ ...config, migration: { ...config.migration, withdrawOn } }));
  const tap = fabric.addPort(a, 'tap0');
  fabric.frame(a, tap, garpFrame(vmMac, vm4));
  fabric.run(3000);
  return { fabric, a, tap };
}

const stateOf = (node: SimNode): string | undefined => [...node.speaker.world.locRib.handovers.values()].find(({ address }) => address === vm4)?.state;

const shows: Readonly<Record<Sign, (stage: ReturnType<typeof start>) => void>> = {
  'uplink-announcement': ({ fabric, a }) => {
    fabric.run(6000); // its own announcement is no reflection any more
    fabric.frame(a, a.uplink, rarpFrame(vmMac));
  },
  'remote-claim': ({ fabric }) => {
    const b = fabric.addNode(2);
    fabric.run(3000);
    fabric.frame(b, fabric.addPort(b, 'tap0'), rarpFrame(vmMac));
    fabric.run(50);
  },
  'port-gone': ({ fabric, a, tap }) => fabric.removePort(a, tap),
};

describe('migration.withdrawOn', () => {
  for (const sign of signs) {
    it(`${sign}: listed, the route leaves`, () => {
      const stage = start([sign]);
      shows[sign](stage);
      assert.ok(['leaving', 'withdrawn'].includes(stateOf(stage.a) ?? ''), stateOf(stage.a));
    });

    it(`${sign}: not listed, it stays`, () => {
      const stage = start(signs.filter((other) => other !== sign));
      shows[sign](stage);
      assert.ok(['elevated', 'normal'].includes(stateOf(stage.a) ?? ''), stateOf(stage.a));
    });
  }
});
