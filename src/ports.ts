import { describeChange, type BridgeEvent } from '../bridge/changes.ts';
import { applyChange } from '../bridge/fdb.ts';
import { locate } from '../bridge/locate.ts';
import type { BridgeChange } from '../bridge/ports.ts';
import { forgetPort as forgetRate } from '../identity/rate.ts';
import { prefixAddress } from '../net/ip.ts';
import { keyPrefix } from '../routes/loc-rib.ts';
import { handle } from './handovers.ts';
import { discover } from './probing.ts';
import { note, type World } from './world.ts';

/** The kernel told something about links, forwarding databases or addresses: what it means for the VMs behind the ports. */
export function takeBridgeChange(world: World, change: BridgeChange): void {
  const first = world.bridges.links.size === 0 && change.type === 'resync';
  const events = describeChange(world.bridges, change);
  world.bridges = applyChange(world.bridges, change);
  if (change.type === 'resync') {
    note(world, {
      level: 'info', room: 'bridge', event: 'bridge.resync', publish: 'capture',
      fields: { links: change.links.length, fdb: change.fdb.length, first },
    });
  }
  for (const event of events) takeBridgeEvent(world, event, first);
  if (first) discover(world);
}

function takeBridgeEvent(world: World, event: BridgeEvent, first: boolean): void {
  if (event.type === 'learnt' || event.type === 'forgotten') return;
  const { ifindex } = event.port;
  const place = locate(world.bridges, world.watches, ifindex);
  switch (event.type) {
    case 'portAppeared':
      world.portSince.set(ifindex, first ? -Infinity : world.now.monotonicMs);
      if (place === undefined) return;
      note(world, {
        level: place.role === 'unlisted' ? 'warn' : 'debug', room: 'bridge', publish: 'capture',
        event: place.role === 'unlisted' ? 'port.unlisted' : 'port.added', fields: { port: event.port.name, bridge: event.bridge, role: place.role },
      });
      return;
    case 'portGone':
    case 'portMoved':
    case 'portRenamed':
      // A port that is now another bridge's, or by its new name no local one, is no port of its VM any more.
      if (place?.role === 'local' && event.type === 'portRenamed') return;
      note(world, { level: 'debug', room: 'bridge', event: 'port.removed', publish: 'capture', fields: { port: event.port.name, bridge: event.bridge } });
      portGone(world, ifindex);
      if (event.type === 'portGone') forgetPort(world, ifindex);
      return;
    case 'carrierLost':
      world.carrierDeadlines.set(ifindex, world.now.monotonicMs + world.config.migration.portGoneGraceMs);
      return;
    case 'carrierBack':
      world.carrierDeadlines.set(ifindex, undefined);
      return;
  }
}

function forgetPort(world: World, ifindex: number): void {
  world.portSince.delete(ifindex);
  world.carrierDeadlines.set(ifindex, undefined);
  forgetRate(world.rates, ifindex);
  for (const heard of world.rarpHeard) if (heard.startsWith(`${ifindex}|`)) world.rarpHeard.delete(heard);
}

/** Every address that was heard behind the port loses it. */
export function portGone(world: World, ifindex: number): void {
  if (!world.config.migration.withdrawOn.includes('port-gone')) return;
  for (const key of [...(world.locRib.byPort.get(ifindex) ?? [])]) {
    const h = world.locRib.handovers.get(key);
    if (h !== undefined) handle(world, h.vrf, prefixAddress(keyPrefix(key)), { type: 'PortGone' });
  }
}
