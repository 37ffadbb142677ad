// The room's door: system calls that Node does not offer, each file beside the C that it stands on.
export { janitorFile, nativeProblem, type SystemError } from './binary.ts';
export { openNetlinkSocket, type NetlinkSocket } from './netlink.ts';
export { openPacketSocket, type PacketFrame, type PacketSocket } from './packet.ts';
export { clockSynchronised, notifySupervisor, setScheduling, trimMemory } from './process.ts';
export {
  probeTcpAo, sendNow, setSocketTtl, setTcpAo, setTcpMd5, tcpAoInfo, tcpConnect, tcpListen, unacknowledgedBytes,
  type TcpAoRequest, type TcpConnectOptions, type TcpListenOptions, type TcpMd5, type TcpOptions,
} from './tcp.ts';
export { openUdpSocket, type UdpArrival, type UdpOptions, type UdpSocket } from './udp.ts';
