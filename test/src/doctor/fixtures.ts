import { applyChange, emptyBridgeState, type BridgeState } from '../../../bridge/fdb.ts';
import type { Link } from '../../../bridge/ports.ts';
import type { Config } from '../../../config/config.ts';
import { ip } from '../../../net/ip.ts';
import { parseMac, type Mac } from '../../../net/mac.ts';
import type { Finding } from '../../../src/doctor/finding.ts';
import type { HostState } from '../../../src/doctor/host-state.ts';
import { fileOf, valid } from '../../config/fixtures.ts';

export const mac = (text: string): Mac => parseMac(text) as Mac;

export const bridgeLink: Link = { ifindex: 2, name: 'br-vlan', kind: 'bridge', mac: mac('02:00:00:00:00:01'), vlanFiltering: true, up: true, carrier: true };

export function port(ifindex: number, name: string, more: Partial<Link> = {}): Link {
  return { ifindex, name, master: 2, kind: 'tun', mac: mac(`fe:54:00:aa:00:${ifindex.toString(16).padStart(2, '0')}`), up: true, carrier: true, ...more };
}

export const bond = port(3, 'bond0', { kind: 'bond', mac: mac('0c:00:00:00:00:03') });

export function tables(links: readonly Link[], own: readonly (readonly [ifindex: number, address: string])[] = []): BridgeState {
  return applyChange(emptyBridgeState(), { type: 'resync', links, fdb: [], ownAddresses: own.map(([ifindex, address]) => ({ ifindex, address: ip(address) })) });
}

/** A host with nothing wrong; `links` are those of {@link tables}. */
export function host(more: Partial<HostState> = {}): HostState {
  return {
    capabilities: { effective: '2000', bounding: '2000', noNewPrivileges: true, uid: 999 },
    bridges: tables([bridgeLink, bond, port(4, 'vnet4')]), layer3: new Map([['br-vlan', ['br-vlan', 'br-vlan.100']]]), settings: new Map(),
    fixedMac: new Set(['br-vlan']), drawnMac: new Set(), addresses: [], dropsUnreachable: { ipv4: false, ipv6: false }, clock: { wallTrusted: true, wallSynchronised: true }, speakers: [], connections: [], rewrites: [], stateFile: { path: '/var/lib/landfall/state.json' }, ...more,
  };
}

export const config = (sections: Readonly<Record<string, string>> = {}): Config => valid(fileOf(sections));

/** `FAIL ports: text` lines, without those that are fine. */
export function troubles(findings: readonly Finding[]): string[] {
  return findings.filter(({ result }) => result !== 'ok').map(({ result, topic, text }) => `${result} ${topic}: ${text}`);
}
