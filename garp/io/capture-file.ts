import { type CapturedPacket, linkTypes } from '../wire/captured-packet.ts';

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
      'A filter can\'t be used: the optional package "pcap" is not installed or does not load. ' +
        'It needs libpcap-dev and a C++ compiler; then run `npm install pcap`.',
      { cause: error },
    );
  }
}

/** The package's names of link types that differ from ours by more than their spelling. */
const linkTypeOf: Readonly<Record<string, number>> = {
  LINKTYPE_NULL: linkTypes.null, LINKTYPE_ETHERNET: linkTypes.ethernet, LINKTYPE_RAW: linkTypes.raw, LINKTYPE_LINUX_SLL: linkTypes.sll,
};

/**
 * The packets of a capture file that pass a filter in libpcap's language, in the order of the file and numbered from 1 among themselves.
 * Everything else about capture files needs no package: `garp/wire/capture-format.ts`.
 * @param options maxPackets: default 1,000,000; a file with more that pass is an error, for all of them are held in memory.
 * @throws Error with a sentence: package missing, file unreadable, no capture file, no filter, too many packets.
 */
export async function readCaptureFile(path: string, options: { readonly filter: string; readonly maxPackets?: number }): Promise<CapturedPacket[]> {
  const pcap = await loadPcap();
  const limit = options.maxPackets ?? 1_000_000;
  let session: ReturnType<Pcap['createOfflineSession']>;
  try {
    session = pcap.createOfflineSession(path, { filter: options.filter });
  } catch (error) {
    throw new Error(`The capture file ${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
  const packets: CapturedPacket[] = [];
  let tooMany = false;
  await new Promise<void>((resolve) => {
    session.on('packet', ({ buf, header, link_type }) => {
      if (packets.length >= limit) {
        tooMany = true;
        return;
      }
      // Both buffers are used again for the next packet. The header is in host order: seconds, microseconds, octets kept, octets on the wire.
      const fields = new DataView(header.buffer, header.byteOffset, header.byteLength);
      packets.push({
        number: packets.length + 1,
        bytes: Uint8Array.prototype.slice.call(buf, 0, fields.getUint32(8, true)),
        originalLength: fields.getUint32(12, true),
        timestampMs: fields.getUint32(0, true) * 1000 + fields.getUint32(4, true) / 1000,
        linkType: linkTypeOf[link_type] ?? -1,
      });
    });
    session.on('complete', resolve);
  });
  session.close();
  if (tooMany) throw new Error(`The capture file ${path} has more than ${limit} packets.`);
  return packets;
}
