import { describeChange, type BridgeEvent } from '../bridge/changes.ts';
import { takeFdbDump, takeFdbNews } from '../bridge/fdb-entries.ts';
import { applyChange } from '../bridge/fdb.ts';
import { locate } from '../bridge/locate.ts';
import type { BridgeChange, FdbChange, FdbEntry } from '../bridge/ports.ts';
import { isNamed } from '../identity/bindings.ts';
import { forgetPort as forgetRate } from '../identity/rate.ts';
import { prefixAddress } from '../net/ip.ts';
import { keyPrefix, type AddressKey } from '../routes/loc-rib.ts';
import { expectBehind, expectNoMore } from './arrivals.ts';
import { askGate, forgetGate } from './gate-keeping.ts';
import { handle } from './handovers.ts';
import { lookBehind } from './lookups.ts';
import { dropPort } from './port-shares.ts';
import { discover, isTagged, sendProbe } from './probing.ts';
import { confirmMemory } from './restore.ts';
import { isPortAlive } from './watching.ts';
import { note, type World } from './world.ts';

/** The kernel told something about links, forwarding databases or addresses: what it means for the VMs behind the ports. */
export function takeBridgeChange(world: World, change: BridgeChange): void {
  if (change.type === 'fdbNews' || change.type === 'fdbDump') return takeFdbChange(world, change);
  const first = world.bridges.links.size === 0 && change.type === 'resync';
  const events = describeChange(world.bridges, change);
  world.bridges = applyChange(world.bridges, change);
  if (change.type === 'resync') {
    note(world, {
      level: 'info', room: 'bridge', event: 'bridge.resync', publish: 'capture',
      fields: { links: change.links.length, fdb: world.bridges.entryCount, first },
    });
  }
  for (const event of events) takeBridgeEvent(world, event, first);
  if (!first) return;
  confirmMemory(world);
  discover(world);
}

/** What is said of forwarding entries may be ahead of the news of their port, or behind: they tell where to look, whenever both are known. */
function takeFdbChange(world: World, change: FdbChange): void {
  if (change.type === 'fdbNews') {
    const learnt = takeFdbNews(world.bridges, change.news, change.dumped === true, (entry) => isAwaited(world, entry));
    for (const entry of learnt) lookBehind(world, entry);
    return;
  }
  takeFdbDump(world.bridges, change.phase);
  if (change.phase === 'begins') return;
  const { entryCount, entriesDropped } = world.bridges;
  note(world, { level: 'debug', room: 'bridge', event: 'bridge.resync', fields: { fdb: entryCount, dropped: entriesDropped, whole: change.phase === 'ends' } });
}

/** The MAC is that of a VM that is known here or elsewhere: it is kept also where a flood fills the port. */
function isAwaited(world: World, { mac }: FdbEntry): boolean {
  return world.watches.some(({ vrf }) => isNamed(world.bindings, vrf, mac));
}

function takeBridgeEvent(world: World, event: BridgeEvent, first: boolean): void {
  if (event.type === 'forgotten') return;
  if (event.type === 'learnt') {
    // At the start the search for VMs that are already here asks.
    if (!first) lookBehind(world, event.entry);
    return;
  }
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
      if (place.role === 'local') askGate(world, ifindex);
      if (first || place.role !== 'local') return;
      askTheDeparted(world, ifindex);
      expectBehind(world, ifindex);
      lookBehindPort(world, ifindex);
      return;
    case 'portGone':
    case 'portMoved':
    case 'portRenamed':
      // A port that is now another bridge's, or by its new name no local one, is no port of its VM any more.
      forgetGate(world, ifindex);
      if (place?.role === 'local') askGate(world, ifindex);
      if (place?.role === 'local' && event.type === 'portRenamed') return;
      note(world, { level: 'debug', room: 'bridge', event: 'port.removed', publish: 'capture', fields: { port: event.port.name, bridge: event.bridge } });
      portGone(world, ifindex);
      if (event.type === 'portGone') forgetPort(world, ifindex);
      else if (place?.role === 'local') lookBehindPort(world, ifindex);
      return;
    case 'portMarked':
      expectNoMore(world, ifindex); // whom it was marked for before
      if (place?.role === 'local') expectBehind(world, ifindex);
      return;
    case 'carrierLost':
      world.carrierDeadlines.set(ifindex, world.now.monotonicMs + world.config.migration.portGoneGraceMs);
      return;
    case 'carrierBack':
      world.carrierDeadlines.set(ifindex, undefined);
      if (place?.role === 'local') askTheDeparted(world, ifindex);
      if (place?.role === 'local') expectBehind(world, ifindex);
      return;
  }
}

/** What spoke behind a port may be told of before the port. */
function lookBehindPort(world: World, ifindex: number): void {
  for (const entry of world.bridges.entriesOf.get(ifindex)?.values() ?? []) lookBehind(world, entry);
}

/**
 * A guest that restarts gets a new port (another veth, a tap made again) and may say nothing there. So a port that comes within the
 * grace of others that went is asked for their VMs: an answer claims, and it was no departure.
 */
function askTheDeparted(world: World, ifindex: number): void {
  for (const [key, h] of world.locRib.handovers) {
    if (h.state !== 'leaving' || h.source !== 'port-gone' || h.endpoint === undefined) continue;
    sendProbe(world, key, h.address, { ...h.endpoint, ifindex, tagged: isTagged(world, ifindex, h.endpoint.vlan) });
  }
}

function forgetPort(world: World, ifindex: number): void {
  world.portSince.delete(ifindex);
  expectNoMore(world, ifindex);
  world.carrierDeadlines.set(ifindex, undefined);
  forgetRate(world.rates, ifindex);
  dropPort(world.claimants, ifindex);
  dropPort(world.recentLocal, ifindex);
  for (const heard of world.rarpHeard) if (heard.startsWith(`${ifindex}|`)) world.rarpHeard.delete(heard);
}

/** Every address that was heard behind the port loses it. */
export function portGone(world: World, ifindex: number): void {
  if (!world.config.migration.withdrawOn.includes('port-gone')) return;
  for (const key of [...(world.locRib.byPort.get(ifindex) ?? [])]) {
    const h = world.locRib.handovers.get(key);
    if (h === undefined) continue;
    handle(world, h.vrf, prefixAddress(keyPrefix(key)), { type: 'PortGone' });
    askTheNew(world, key);
  }
}

/** The guest's new port may come before its old one goes. */
function askTheNew(world: World, key: AddressKey): void {
  const h = world.locRib.handovers.get(key);
  if (h?.state !== 'leaving' || h.endpoint === undefined) return;
  for (const [ifindex, since] of world.portSince) {
    if (world.now.monotonicMs - since > world.config.migration.portGoneGraceMs || !isPortAlive(world, ifindex)) continue;
    if (locate(world.bridges, world.watches, ifindex)?.role !== 'local') continue;
    sendProbe(world, key, h.address, { ...h.endpoint, ifindex, tagged: isTagged(world, ifindex, h.endpoint.vlan) });
  }
}
