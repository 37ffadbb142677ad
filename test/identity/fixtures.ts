import type { Claim, AdmitRules } from '../../identity/admit.ts';
import { type BindingOptions, type BindingTable, makeBindingTable } from '../../identity/bindings.ts';
import { type WatchOptions, compileWatch } from '../../identity/watch-rules.ts';
import { type IpAddress, type Prefix, ip } from '../../net/ip.ts';
import { type Mac, parseMac } from '../../net/mac.ts';

export const web = parseMac('52:54:00:aa:00:01') as Mac;
export const db = parseMac('52:54:00:aa:00:02') as Mac;
export const stranger = parseMac('52:54:00:aa:00:99') as Mac;

export const bindings: readonly BindingOptions[] = [
  { vm: 'shop/web-1', mac: web, vlan: 100, vrf: 'default', ips: [ip('203.0.113.11'), ip('2001:db8:100::11')] },
  { vm: 'shop/db-1', mac: db, vrf: 'default', ips: [ip('203.0.113.12')] },
];

export const watch: WatchOptions = {
  bridge: 'br-vlan',
  vlans: [[100, 100], [200, 210]],
  announcements: ['garp', 'rarp', 'na'],
  prefixes: ['203.0.113.0/24', '2001:db8:100::/64'] as Prefix[],
  exclude: [ip('203.0.113.1'), ip('2001:db8:100::1')],
  vrf: 'default',
};

export const ownAddress = ip('203.0.113.17');

export interface RulesWish {
  mode?: 'strict' | 'learn';
  onConflict?: 'keep' | 'newest';
  table?: BindingTable;
  watch?: Partial<WatchOptions>;
  unverifiedPorts?: 'allow' | 'refuse';
  rivalStands?: boolean;
  alive?: readonly Mac[];
  elsewhere?: readonly Mac[];
  limits?: AdmitRules['limits'];
}

export function rules(wish: RulesWish = {}): AdmitRules {
  const base: AdmitRules = {
    watch: compileWatch({ ...watch, ...wish.watch }),
    identity: { mode: wish.mode ?? 'strict', onConflict: wish.onConflict ?? 'keep', unverifiedPorts: wish.unverifiedPorts ?? 'allow' },
    bindings: wish.table ?? makeBindingTable(bindings),
    isOwnAddress: (address) => address === ownAddress,
    takesOver: () => wish.rivalStands ?? false,
    livesHere: ({ mac }) => wish.alive?.includes(mac) ?? false,
    livesElsewhere: (mac) => wish.elsewhere?.includes(mac) ?? false,
  };
  return wish.limits === undefined ? base : { ...base, limits: wish.limits };
}

export function claim(wish: Partial<Claim> = {}): Claim {
  return { kind: 'garp', mac: web, vlan: 100, vrf: 'default', role: 'local', port: { ifindex: 11, name: 'vnet4' }, ...wish };
}

export function pair(mac: Mac, address: string, more: { vlan?: number; ifindex?: number; vrf?: string } = {}): {
  vrf: string; vlan: number; mac: Mac; address: IpAddress; ifindex: number;
} {
  return { vrf: more.vrf ?? 'default', vlan: more.vlan ?? 100, mac, address: ip(address), ifindex: more.ifindex ?? 11 };
}
