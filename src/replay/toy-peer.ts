import { endOfRib, routesOf } from '../../bgp/pack-updates.ts';
import type { RouteChange } from '../../bgp/route.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { encodeMessage, decodeMessage } from '../../bgp/wire/message.ts';
import type { CodecContext } from '../../bgp/wire/messages.ts';
import type { Config, PeerConfig } from '../../config/config.ts';
import type { IpAddress } from '../../net/ip.ts';

/** A router that takes our session and says nothing but what keeps it: a Hold Time of 0, and so no KEEPALIVEs, whatever the capture's gaps are. */
export interface ToyPeer {
  /** What it says as soon as TCP is up: OPEN, KEEPALIVE, and an End-of-RIB for each family. */
  readonly greeting: Uint8Array;
  /** The routes in what we wrote. */
  take(bytes: Uint8Array): RouteChange[];
}

/** @param number distinguishes peers; it becomes the BGP Identifier, which must not be ours. */
export function toyPeer(config: Config, peer: PeerConfig, number: number): ToyPeer {
  const context: CodecContext = { fourOctetAs: true, ibgp: peer.asn === config.bgp.asn, maxMessageLength: 4096 };
  const messages = [
    encodeMessage({
      type: 'OPEN', version: 4, myAs: peer.asn > 0xffff ? 23456 : peer.asn, holdTimeSeconds: 0, bgpIdentifier: `198.51.100.${(number % 250) + 1}` as IpAddress,
      capabilities: [
        ...peer.families.map((family) => ({ type: 'multiprotocol' as const, afi: family === 'ipv4-unicast' ? 1 : 2, safi: 1 })),
        { type: 'routeRefresh' }, { type: 'fourOctetAs', asn: peer.asn },
      ],
    }, context),
    encodeMessage({ type: 'KEEPALIVE' }, context),
    ...peer.families.map((family) => encodeMessage(endOfRib(family), context)),
  ];
  let framer = new Framer();
  return {
    greeting: concatenated(messages),
    take(bytes) {
      const framed = framer.feed(bytes);
      framer = framed.framer;
      return framed.messages.flatMap((octets) => {
        const message = decodeMessage(octets, context);
        return message.type === 'UPDATE' ? routesOf(message) : [];
      });
    },
  };
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
