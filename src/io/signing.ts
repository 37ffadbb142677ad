import { probeAo } from '../../bgp/io/tcp-ao.ts';
import type { Config, ListenRange, PeerConfig } from '../../config/config.ts';
import { prefixAddress, prefixLength } from '../../net/ip.ts';

/** A peer or range that can have no session, and why not. */
export interface Unsignable {
  readonly name: string;
  readonly why: string;
}

/** Which peers and ranges can't have a session because this kernel does not take their TCP-AO keys, and why. The keys themselves are not read. */
export function unsignable({ bgp }: Config): Unsignable[] {
  const of = ({ name, tcpAo }: PeerConfig | ListenRange, scope: Parameters<typeof probeAo>[0]): Unsignable[] => {
    if (tcpAo === undefined) return [];
    const why = probeAo(scope, [{ sendId: 0, receiveId: 0, algorithm: tcpAo.algorithm, key: new Uint8Array(16) }]);
    return why === undefined ? [] : [{ name, why }];
  };
  return [
    ...bgp.peers.flatMap((peer) => of(peer, peer)),
    ...(bgp.listen.ranges ?? []).flatMap((range) => of(range, { address: prefixAddress(range.prefix), prefixLength: prefixLength(range.prefix) })),
  ];
}
