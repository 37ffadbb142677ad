import { applyChange, emptyBridgeState, type BridgeState } from '../../bridge/fdb.ts';
import type { BridgeChange, FdbEntry, Link } from '../../bridge/ports.ts';
import { type Mac, parseMac } from '../../net/mac.ts';

/** A link that is up and has a carrier, unless told otherwise. */
export function link(ifindex: number, name: string, master?: number, more: Partial<Link> = {}): Link {
  return { ifindex, name, up: true, carrier: true, ...(master === undefined ? {} : { master }), ...more };
}

export function mac(last: number): Mac {
  return parseMac(`52:54:00:aa:${(last >> 8).toString(16)}:${(last & 255).toString(16)}`) as Mac;
}

export function entry(ifindex: number, last: number, vlan = 0, permanent = false): FdbEntry {
  return { ifindex, mac: mac(last), vlan, permanent };
}

export function stateAfter(changes: readonly BridgeChange[], state: BridgeState = emptyBridgeState()): BridgeState {
  return changes.reduce(applyChange, state);
}

/** br0 (1) with vnet1 (11), vnet2 (12), bond0 (19) and odd0 (18); br1 (2) with tap1 (21); eth9 (9) alone. */
export const fleet: readonly BridgeChange[] = [
  link(1, 'br0', undefined, { kind: 'bridge' }),
  link(2, 'br1', undefined, { kind: 'bridge' }),
  link(11, 'vnet1', 1),
  link(12, 'vnet2', 1),
  link(18, 'odd0', 1),
  link(19, 'bond0', 1),
  link(21, 'tap1', 2),
  link(9, 'eth9'),
].map((each) => ({ type: 'link', link: each }));

export const watched = [{ bridge: 'br0', local: ['vnet*'], uplink: ['bond0'] }];
