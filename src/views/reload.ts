import type { ReloadItem } from './items.ts';
import type { View } from './view.ts';

type Change = ReloadItem['changes'][number] & { readonly effect: string };

const effects: Readonly<Record<ReloadItem['changes'][number]['class'], string>> = {
  live: 'at once', routes: 'UPDATEs for what changes', capture: 'ports are looked at anew', session: 'the session begins anew', restart: 'refused: needs a restart',
};
const actions: Readonly<Record<ReloadItem['peers'][number]['action'], string>> = {
  added: 'a new session', removed: 'withdraws, then the session ends', reset: 'the session begins anew', replaced: 'withdraws, then another session',
};

export const reloadView: View<ReloadItem, Change> = {
  none: 'no answer',
  name: (item) => item.result,
  rows: (item) => item.changes.map((change) => {
    const peer = item.peers.find(({ name }) => name === change.peer);
    return { ...change, effect: change.class === 'session' && peer !== undefined ? actions[peer.action] : effects[change.class] };
  }),
  columns: [
    { header: 'KEY', cell: (change) => change.key },
    { header: 'CLASS', cell: (change) => change.class, tone: (change) => (change.class === 'restart' ? 'bad' : undefined) },
    { header: 'PEER', cell: (change) => change.peer },
    { header: 'FROM', cell: (change) => change.from },
    { header: 'TO', cell: (change) => change.to },
    { header: 'EFFECT', cell: (change) => change.effect },
  ],
};
