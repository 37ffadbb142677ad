import { openNetlinkSocket } from '../../native/index.ts';
import type { IpAddress } from '../../net/ip.ts';
import { decodeTold, type RouteOut } from '../wire/requests.ts';
import { encodeTunnel, encodeTunnelAddress, encodeTunnelEnd, encodeTunnelQuestion, encodeTunnelRemoval, encodeTunnelRules, encodeTunnelUp, tunnelGateway, tunnelName } from '../wire/tunnel.ts';
import { setSwitch } from './switches.ts';

export interface Tunnel {
  /** The way to another node's end, which is there when this returns; `undefined`: there is no tunnel, and `onProblem` has said why. */
  to(endpoint: IpAddress): RouteOut | undefined;
  /** Takes the device away. */
  remove(): void;
  close(): void;
}

const EEXIST = 17;
/** So many nodes have their end kept ready. */
const endsLimit = 4096;

/** The tunnel with this node's end at `local`; the device is made at once, and one that a life before left is used. */
export function openTunnel(local: IpAddress, onProblem: (text: string) => void): Tunnel {
  let sequence = 1;
  let errno = 0;
  let found: number | undefined;
  const ends = new Set<IpAddress>();
  const socket = openNetlinkSocket({
    groups: [], receiveBufferBytes: 65_536, onError: (error) => onProblem(`tunnel: ${error.message}`),
    onData: (datagram) => {
      for (const { told } of decodeTold(datagram)) {
        if (told.type === 'error' && told.errno !== 0) ({ errno } = told);
        else if (told.type === 'interface') found = told.ifindex;
      }
    },
  });
  const ask = (messages: readonly Uint8Array[]): number => {
    errno = 0;
    for (const message of messages) {
      sequence += 1;
      socket.send(message);
    }
    socket.drain();
    return errno;
  };
  const failed = ask([encodeTunnel(sequence, local)]);
  if (failed !== 0 && failed !== EEXIST) onProblem(`the tunnel ${tunnelName} can't be made: errno ${failed}${failed === 1 ? ' (CAP_NET_ADMIN is missing)' : ''}`);
  ask([encodeTunnelQuestion(sequence)]);
  const ifindex = found;
  if (ifindex !== undefined) {
    // What comes out of the tunnel has a client's address, to which this node has another way; and the tunnel itself speaks to nobody.
    for (const [name, value] of [['ipv4/conf/@/rp_filter', '2'], ['ipv6/conf/@/addr_gen_mode', '1']] as const) {
      const file = `/proc/sys/net/${name.replace('@', tunnelName)}`;
      try {
        setSwitch(file, value);
      } catch (error) {
        onProblem(`${file} can't be set to ${value}: ${(error as Error).message}`);
      }
    }
    const refused = ask([encodeTunnelUp(sequence, ifindex), encodeTunnelAddress(sequence + 1, ifindex)]);
    if (refused !== 0) onProblem(`the tunnel ${tunnelName} can't be brought up: errno ${refused}`);
    const ruled = ask(encodeTunnelRules(sequence));
    if (ruled !== 0 && ruled !== EEXIST) onProblem(`the rule for what comes out of ${tunnelName} can't be made: errno ${ruled}`);
  }
  return {
    to(endpoint) {
      if (ifindex === undefined || (ends.size >= endsLimit && !ends.has(endpoint))) return undefined;
      if (!ends.has(endpoint)) {
        const refused = ask(encodeTunnelEnd(sequence, ifindex, endpoint));
        if (refused !== 0) {
          onProblem(`the tunnel to ${endpoint} can't be made: errno ${refused}`);
          return undefined;
        }
        ends.add(endpoint);
      }
      return { type: 'gateway', gateway: tunnelGateway(endpoint), ifindex };
    },
    remove() {
      if (ifindex !== undefined) ask([encodeTunnelRemoval(sequence, ifindex), ...encodeTunnelRules(sequence + 1, true)]);
    },
    close: () => socket.close(),
  };
}
