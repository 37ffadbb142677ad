import { createSession } from '../bgp/session.ts';
import type { SessionOptions } from '../bgp/session-contract.ts';
import type { Config, PeerConfig } from '../config/config.ts';
import { isIpv4, type IpAddress } from '../net/ip.ts';
import type { Now } from '../net/time.ts';
import { newAdjRibIn } from '../routes/adj-rib-in.ts';
import { newAdjRibOut } from '../routes/adj-rib-out.ts';
import { newFabricEvidence } from '../routes/fabric.ts';
import type { Peer } from './world.ts';

/**
 * A peer whose session waits for its start. @param restarting the process has just started: it was there before, as far as the router knows
 * (the R bit of RFC 4724). @param caller it connects to us, never we to it
 */
export function newPeer(config: Config, peer: PeerConfig, routerId: IpAddress, now: Now, restarting: boolean, caller = false): Peer {
  const { gracefulRestart } = config.bgp;
  const options: SessionOptions = {
    peer: peer.name, localAsn: config.bgp.asn, peerAsn: peer.asn, bgpIdentifier: routerId, families: peer.families,
    holdSeconds: peer.timers.holdSeconds, keepaliveSeconds: peer.timers.keepaliveSeconds, connectRetrySeconds: peer.timers.connectRetrySeconds,
    passive: caller,
    ...(peer.timers.sendHoldSeconds === undefined ? {} : { sendHoldSeconds: peer.timers.sendHoldSeconds }),
    addPath: peer.addPath === true && config.bgp.receive !== 'none',
    ...(peer.role === undefined ? {} : { role: peer.role }),
    // Between IPv6 addresses IPv4 routes have an IPv6 next hop, as in fabrics whose links have no IPv4 addresses.
    extendedNextHop: !isIpv4(peer.address) && peer.families.includes('ipv4-unicast'),
    ...(gracefulRestart.enabled ? { gracefulRestart: { restartTimeSeconds: gracefulRestart.restartTimeSeconds, restarting, forwardingPreserved: true } } : {}),
  };
  return {
    config: peer, ibgp: peer.asn === config.bgp.asn, session: { ...createSession(options), sinceMs: now.wallMs }, adjIn: newAdjRibIn(), adjOut: newAdjRibOut(),
    resend: false, resendAsked: new Set(), refreshes: new Map(), endOfRibDue: false, noNextHop: new Set(), fabric: newFabricEvidence(), retained: new Map(),
  };
}
