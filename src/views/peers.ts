import type { PeerItem } from './items.ts';
import type { View } from './view.ts';
import { formatDuration } from './units.ts';
import { printable } from '../../net/printable.ts';

/** One line of `show peers`: the first of a peer tells all, those of its further families only what differs. */
interface Row {
  readonly peer: PeerItem;
  readonly first: boolean;
  readonly family: string | undefined;
  readonly sent: number;
  readonly received: number;
  readonly stale: PeerItem['families'][number]['stale'];
}

export const peersView: View<PeerItem, Row> = {
  none: 'no peers',
  name: (peer) => peer.name,
  rows(peer) {
    const families = peer.families.filter((family) => family.negotiated || family.stale !== undefined);
    if (families.length === 0) return [{ peer, first: true, family: undefined, sent: 0, received: 0, stale: undefined }];
    return families.map(({ family, sent, received, stale }, index) => ({ peer, first: index === 0, family, sent, received, stale }));
  },
  columns: [
    { header: 'PEER', cell: once((peer) => peer.name) },
    { header: 'ADDRESS', cell: once((peer) => peer.address) },
    { header: 'ASN', cell: once((peer) => peer.asn) },
    { header: 'TYPE', cell: once((peer) => peer.type) },
    { header: 'STATE', cell: once((peer) => peer.state), tone: ({ peer }) => (peer.state === 'established' ? 'good' : 'bad') },
    { header: 'UP/DOWN', cell: once((peer) => formatSpan(peer.upSeconds ?? peer.downSeconds)) },
    { header: 'FAMILY', cell: (row) => row.family },
    { header: 'SENT', align: 'right', cell: (row) => row.sent },
    { header: 'RCVD', align: 'right', cell: (row) => row.received },
    { header: 'STALE', wide: true, align: 'right', cell: ({ stale }) => (stale === undefined ? undefined : `${stale.routes} for ${formatDuration(stale.endsSeconds)}`) },
    { header: 'AUTH', cell: once((peer) => peer.auth) },
    { header: 'PROFILE', wide: true, cell: once((peer) => peer.profile) },
    { header: 'VRF', wide: true, cell: once((peer) => peer.vrf) },
    { header: 'LOCAL ADDRESS', wide: true, cell: once((peer) => peer.localAddress) },
    { header: 'ROUTER ID', wide: true, cell: once((peer) => peer.remoteRouterId) },
    { header: 'HOLD', wide: true, align: 'right', cell: once((peer) => formatSpan(peer.holdTimeSeconds)) },
    { header: 'PENDING', wide: true, align: 'right', cell: once((peer) => peer.pending) },
    { header: 'BFD', wide: true, cell: once((peer) => peer.bfd?.state) },
    { header: 'LAST ERROR', cell: once(({ lastError }) => (lastError === undefined ? undefined : printable(lastError))) },
  ],
};

function once(cell: (peer: PeerItem) => string | number | undefined): (row: Row) => string | number | undefined {
  return (row) => (row.first ? cell(row.peer) : '');
}

function formatSpan(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : formatDuration(seconds);
}
