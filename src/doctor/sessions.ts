import type { PeerItem } from '../views/items.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

/** Each session, and for one that is not up the key that its last error is about. */
export function checkSessions(peers: readonly PeerItem[], options: { readonly asn: number; readonly dryRun: boolean }): Finding[] {
  if (options.dryRun) return [{ result: 'skip', topic: 'session', text: 'run --dry-run opens no session' }];
  return peers.flatMap((peer) => [peer.state === 'established' ? established(peer) : notUp(peer, options.asn), ...unsent(peer), ...unwatched(peer)]);
}

function established({ name, auth, holdTimeSeconds }: PeerItem): Finding {
  return ok('session', `${name} established, ${auth === 'none' ? 'no authentication' : auth}${holdTimeSeconds === undefined ? '' : holdTimeSeconds === 0 ? ', no hold time' : `, hold ${holdTimeSeconds} s agreed`}`);
}

/** Which key an error is about: the first row that fits says. */
const cures: readonly { readonly about: RegExp; readonly verb: string; cure(peer: PeerItem, asn: number): string }[] = [
  { about: /Bad Peer AS/, verb: 'we and it disagree about AS numbers', cure: ({ name, asn }, own) => `bgp.peers[${name}].asn is ${asn} and bgp.asn is ${own}: one of them differs from what the router has (its own AS, and remote-as of this neighbor)` },
  { about: /Bad BGP Identifier/, verb: 'a BGP Identifier was refused', cure: () => 'another speaker has our identifier, or the router has: set bgp.routerId to an address of this node alone, or leave it out' },
  { about: /Unacceptable Hold Time/, verb: 'the hold time was refused', cure: ({ name }) => `bgp.peers[${name}].timers.hold: the router wants another` },
  { about: /Role Mismatch/, verb: 'the roles do not fit', cure: ({ name }) => `bgp.peers[${name}].role: it must be the counterpart of the router's (RFC 9234)` },
  { about: /Connection Collision Resolution/, verb: 'the router has another session with our address', cure: ({ name }) => `end the other program's session (ss -tnp dport = :179 on this node names it), or give this one its own bgp.peers[${name}].sourceAddress and neighbor at the router` },
  { about: /Maximum Number of Prefixes/, verb: 'the router\'s limit on prefixes was reached', cure: ({ name }) => `raise maximum-prefix at the router (with restart), and set bgp.peers[${name}].maxPrefixes below it; then clear the neighbor there` },
  { about: /Peer De-configured|our OPEN had no answer|Connection Rejected/, verb: 'the router does not know us', cure: ({ name }) => `make this node a neighbor at the router, and not one that is shut down; bgp.peers[${name}].sourceAddress must be the address that it expects` },
  { about: /Administrative (Shutdown|Reset)/, verb: 'the router ended it on purpose', cure: () => 'enable the neighbor at the router' },
  { about: /TCP-AO is not in this kernel|lacks the algorithm/, verb: 'this kernel can\'t sign', cure: ({ name }) => `boot a kernel with CONFIG_TCP_AO (Linux 6.7 or later), or use bgp.peers[${name}].password (TCP MD5) at both ends` },
  { about: /TCP-AO/, verb: 'there is no answer, or no key', cure: ({ name, address }) => `ping ${address}; compare the KeyIDs, the algorithm and the keys of bgp.peers[${name}].tcpAo with the router's (its send ID is our receiveId)` },
  { about: /MD5|no such (file|credential)|credential|key/i, verb: 'there is no answer, or no key', cure: ({ name, address }) => `ping ${address}; compare bgp.peers[${name}].password, ttlSecurity and the firewalls with the router's side` },
  { about: /ECONNREFUSED|refused/, verb: 'nobody listens there', cure: ({ name }) => `bgp.peers[${name}].address and port; is BGP running at the router, and is this node a neighbor?` },
  { about: /EHOSTUNREACH|ENETUNREACH|unreachable/, verb: 'there is no way to it', cure: ({ name, address }) => `ip route get ${address}; bgp.peers[${name}].address, sourceAddress` },
  { about: /EADDRNOTAVAIL|source address/, verb: 'the source address is not this node\'s', cure: ({ name }) => `bgp.peers[${name}].sourceAddress must be an address of this node` },
  { about: /hold|Hold/, verb: 'the router fell silent', cure: ({ address }) => `ping ${address}; is the router, or this node, overloaded?` },
];

function notUp(peer: PeerItem, asn: number): Finding {
  const { name, state, lastError, downSeconds } = peer;
  const since = downSeconds === undefined ? '' : ` for ${Math.round(downSeconds)} s`;
  if (lastError === undefined) return warn('session', `${name} is ${state}${since}, not established; nothing has gone wrong yet`, 'wait a few seconds and look again');
  // What refuses us since then says less than what ended the session.
  const [fault] = lastError.split('; since then: ') as [string];
  const known = cures.find(({ about }) => about.test(fault)) ?? cures.find(({ about }) => about.test(lastError));
  return fail('session', `${name} is ${state}${since}: ${known === undefined ? '' : `${known.verb}: `}${lastError}`, known?.cure(peer, asn) ?? `landfall events -f --type peer shows each attempt; compare bgp.peers[${name}] with the router's side`);
}

/** A family that is configured and was not agreed on carries nothing. */
function unsent({ name, state, families }: PeerItem): Finding[] {
  if (state !== 'established') return [];
  return families.filter(({ negotiated }) => !negotiated).map(({ family }) =>
    warn('session', `${name} does not speak ${family}-unicast with us: no ${family} routes are sent there`, `activate the family for this neighbor at the router, or leave it out of bgp.peers[${name}].families`));
}

/** Where BFD is asked for and is not up, a node that dies is noticed no earlier than without it. */
function unwatched({ name, state, bfd, holdTimeSeconds }: PeerItem): Finding[] {
  if (state !== 'established' || bfd === undefined || bfd.state === 'up') return [];
  const slow = `a node that dies keeps its routes until ${holdTimeSeconds === 0 ? 'TCP gives up' : `the hold time (${holdTimeSeconds} s) is over`}`;
  if (bfd.state === 'unknown') return [warn('bfd', `${name}: the BFD process does not answer: ${slow}`, 'landfall status and the log say why')];
  return [warn('bfd', `${name}: BFD is ${bfd.state}${bfd.text === undefined ? '' : ` (${bfd.text})`}: ${slow}`,
    `enable BFD for this neighbor at the router, let UDP port 3784 through both ways, or leave bgp.peers[${name}].bfd out`)];
}
