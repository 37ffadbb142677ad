import { echoTypes, type EchoFamily } from './echo.ts';

/** The probe cannot open its socket. The message is a whole sentence with the cure. */
export class ProbeUnavailable extends Error {
  override name = 'ProbeUnavailable';
}

export interface IcmpSocket {
  /** @param onSent called in the moment before the packet is handed to the kernel. @param onError the kernel refused it. */
  send(bytes: Uint8Array, address: string, onSent: () => void, onError: (error: Error) => void): void;
  close(): void;
}

/** linux/icmp.h: a raw ICMP socket's filter, one bit per type that is to be left out. */
const solRaw = 255;
const icmpFilter = 1;

/**
 * Opens a raw socket for ICMP or ICMPv6. The package that does it is optional and native, so it is looked for only here.
 * @throws ProbeUnavailable
 */
export async function openIcmpSocket(family: EchoFamily, onMessage: (bytes: Uint8Array, source: string) => void): Promise<IcmpSocket> {
  const { default: raw } = await import('raw-socket').catch(() => {
    throw new ProbeUnavailable(
      'the optional package raw-socket is missing, so there is no ICMP probe (all else works): install a C++ compiler, make and python3, then npm ci',
    );
  });
  let socket;
  try {
    socket = raw.createSocket({
      protocol: family === 'ipv4' ? raw.Protocol.ICMP : raw.Protocol.ICMPv6,
      addressFamily: family === 'ipv4' ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6,
      bufferSize: 2048,
    });
  } catch (error) {
    const text = (error as Error).message;
    if (/EPERM|EACCES|not permitted|denied/i.test(text)) {
      throw new ProbeUnavailable('an ICMP socket needs CAP_NET_RAW in the effective set: run it as root, or under setpriv --ambient-caps +net_raw --inh-caps +net_raw');
    }
    throw new ProbeUnavailable(`cannot open an ICMP socket: ${text}`);
  }
  if (family === 'ipv4') {
    const filter = Buffer.alloc(4);
    new DataView(filter.buffer, filter.byteOffset, 4).setUint32(0, ~(1 << echoTypes.ipv4.reply) >>> 0, littleEndian);
    try {
      socket.setOption(solRaw, icmpFilter, filter, filter.length);
    } catch {
      // Only a saving: what is not ours is recognised in any case.
    }
  }
  socket.on('message', (bytes: Buffer, source: string) => onMessage(bytes, source));
  socket.on('error', () => undefined);   // a receive error (an ICMP unreachable, say) is no answer, and shows as one missing
  return {
    send(bytes, address, onSent, onError) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      socket.send(buffer, 0, buffer.length, address, onSent, (error) => {
        if (error !== null) onError(error);
      });
    },
    close: () => void socket.close(),
  };
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
