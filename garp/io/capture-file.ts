/** One packet of a capture file. */
export interface CaptureFilePacket {
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970-01-01 UTC, as recorded. */
  readonly timestampMs: number;
  /** libpcap's name: `LINKTYPE_ETHERNET`, `LINKTYPE_LINUX_SLL`, … */
  readonly linkType: string;
}

/** What we use of the `pcap` package. */
interface Pcap {
  createOfflineSession(path: string, options: { filter?: string }): {
    on(event: 'packet', listener: (packet: { buf: Uint8Array; header: Uint8Array; link_type: string }) => void): void;
    on(event: 'complete', listener: () => void): void;
    close(): void;
  };
}

// A variable keeps the compiler from asking for the types of a package that need not be installed.
const optionalPackage: string = 'pcap';

async function loadPcap(): Promise<Pcap> {
  try {
    const module = (await import(optionalPackage)) as { default?: Pcap } & Pcap;
    return module.default ?? module;
  } catch (error) {
    throw new Error(
      'Capture files can\'t be read: the optional package "pcap" is not installed or does not load. ' +
        'It needs libpcap-dev and a C++ compiler; then run `npm install pcap`.',
      { cause: error },
    );
  }
}

/**
 * Reads a capture file (pcap or pcapng) whole, in the order of the file.
 * @param options filter: in libpcap's language. maxPackets: default 1,000,000; a file with more is an error, for all of it is held in memory.
 * @throws Error with a sentence: package missing, file unreadable, no capture file, too many packets.
 */
export async function readCaptureFile(
  path: string,
  options: { readonly filter?: string; readonly maxPackets?: number } = {},
): Promise<CaptureFilePacket[]> {
  const pcap = await loadPcap();
  const limit = options.maxPackets ?? 1_000_000;
  let session: ReturnType<Pcap['createOfflineSession']>;
  try {
    session = pcap.createOfflineSession(path, options.filter === undefined ? {} : { filter: options.filter });
  } catch (error) {
    throw new Error(`The capture file ${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
  const packets: CaptureFilePacket[] = [];
  let tooMany = false;
  await new Promise<void>((resolve) => {
    session.on('packet', ({ buf, header, link_type }) => {
      if (packets.length >= limit) {
        tooMany = true;
        return;
      }
      // Both buffers are used again for the next packet. The header is in host order: seconds, microseconds, octets kept.
      const fields = new DataView(header.buffer, header.byteOffset, header.byteLength);
      packets.push({
        bytes: Uint8Array.prototype.slice.call(buf, 0, fields.getUint32(8, true)),
        timestampMs: fields.getUint32(0, true) * 1000 + fields.getUint32(4, true) / 1000,
        linkType: link_type,
      });
    });
    session.on('complete', resolve);
  });
  session.close();
  if (tooMany) throw new Error(`The capture file ${path} has more than ${limit} packets.`);
  return packets;
}
