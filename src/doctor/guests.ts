import type { Finding } from './finding.ts';
import { some, warn } from './finding.ts';

/** What was heard of guests, as far as it matters here. */
export interface Heard {
  readonly mac?: string;
  readonly kind: string;
  readonly verdict: string;
  readonly port?: string;
}

export interface Landing {
  readonly mac?: string;
  readonly seenBy: string;
  readonly vm?: string;
}

/** MACs that speak by RARP and mean no address. */
export function checkRarp(ignored: readonly Heard[]): Finding[] {
  const macs = [...new Set(ignored.filter(({ kind, verdict, mac }) => kind === 'rarp' && verdict === 'no_binding' && mac !== undefined).map(({ mac }) => mac as string))].sort();
  if (macs.length === 0) return [];
  return [warn('rarp', `${macs.length} ${macs.length === 1 ? 'MAC sends RARP and has' : 'MACs send RARP and have'} no binding (${some(macs)}); RARP carries no IP`, 'add them to identity.bindings, or identity.mode: learn')];
}

/** So many landings tell. */
const landingsThatTell = 3;

/** Guests whose hypervisor alone speaks for them: one lost frame, and nobody else says where they are. */
export function checkSilentGuests(landings: readonly Landing[], ignored: readonly Heard[]): Finding[] {
  const speaking = new Set<string>();
  const count = new Map<string, { vm: string; times: number }>();
  for (const { mac, kind } of ignored) if (mac !== undefined && kind !== 'rarp') speaking.add(mac);
  for (const { mac, seenBy, vm } of landings) {
    if (mac === undefined) continue;
    if (['garp', 'na', 'arp', 'ns'].includes(seenBy)) speaking.add(mac);
    else if (seenBy === 'rarp') count.set(mac, { vm: vm ?? mac, times: (count.get(mac)?.times ?? 0) + 1 });
  }
  const silent = [...count].filter(([mac, { times }]) => times >= landingsThatTell && !speaking.has(mac)).map(([, { vm, times }]) => `${vm} (${times})`);
  if (silent.length === 0) return [];
  return [warn('guests', `only the hypervisor's RARP was heard in all migrations of ${some(silent)}`, 'on Linux guests set net.ipv4.conf.all.arp_notify=1 (and net.ipv6.conf.all.ndisc_notify=1)')];
}
