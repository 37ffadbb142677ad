import type { Config } from '../../config/config.ts';
import { parseIp } from '../../net/ip.ts';
import type { PeerItem } from '../views/items.ts';
import { fail, some, warn, type Finding } from './finding.ts';
import type { HostState, TcpConnection } from './host-state.ts';

/**
 * Another BGP program on this node. Two sessions from one address to one router are one session too many: the router drops one, or both in
 * turn.
 * @param peers the daemon's sessions; undefined: it does not run, so that every session is somebody else's
 */
export function checkOtherSpeakers(host: HostState, config: Config, peers: readonly PeerItem[] | undefined): Finding[] {
  const found: Finding[] = [];
  for (const peer of config.bgp.peers) {
    const all = (host.connections ?? []).filter((connection) => connection.state === 'established' && leadsTo(connection, peer.address, peer.port));
    const own = peers?.find(({ name }) => name === peer.name);
    const ours = own !== undefined && ['established', 'opensent', 'openconfirm'].includes(own.state) ? 1 : 0;
    if (all.length <= ours) continue;
    found.push(fail('speakers', `${peer.name}: ${peers === undefined ? 'the daemon does not answer, yet' : 'besides ours'} a BGP session from ${all[0]?.localAddress} to ${peer.address} is up: the router takes one per address of this node`,
      `end the other program's session${host.speakers.length === 0 ? '' : ` (${some(host.speakers)})`}, or give this one its own bgp.peers[${peer.name}].sourceAddress and neighbor at the router`));
  }
  if (found.length === 0 && host.speakers.length > 0) {
    found.push(warn('speakers', `${some(host.speakers)} ${host.speakers.length === 1 ? 'runs' : 'run'} on this node too: a session with a router that landfall peers with would collide with ours`, 'let it peer from another address, or not with these routers'));
  }
  const listener = host.connections?.find(({ state, localPort }) => state === 'listen' && localPort === config.bgp.listen.port);
  if (config.bgp.listen.enabled && peers === undefined && listener !== undefined) {
    found.push(fail('speakers', `something listens on port ${listener.localPort} of this node already, and bgp.listen is enabled`, 'end it, or change bgp.listen.port'));
  }
  return found;
}

function leadsTo({ remoteAddress, remotePort, localPort }: TcpConnection, address: string, port: number): boolean {
  return parseIp(remoteAddress) === address && (remotePort === port || localPort === 179);
}
