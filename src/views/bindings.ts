import type { BindingItem } from './items.ts';
import type { View } from './view.ts';
import { formatTime } from './units.ts';

export const bindingsView: View<BindingItem> = {
  none: 'no bindings',
  name: (item) => item.vm ?? item.mac,
  columns: [
    { header: 'VM', cell: (item) => item.vm },
    { header: 'MAC', cell: (item) => item.mac },
    { header: 'VLAN', align: 'right', cell: (item) => item.vlan ?? 'any' },
    { header: 'IPS', cell: (item) => item.ips.join(' ') || undefined },
    { header: 'ORIGIN', cell: (item) => item.origin },
    { header: 'PORT', cell: (item) => item.port },
    { header: 'LAST SEEN', cell: (item) => (item.lastSeen === undefined ? undefined : formatTime(item.lastSeen)) },
    { header: 'VRF', wide: true, cell: (item) => item.vrf },
  ],
};
