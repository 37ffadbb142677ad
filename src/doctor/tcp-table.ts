import { ipFromBytes } from '../../net/ip.ts';
import type { TcpConnection } from './host-state.ts';

/** More connections than this are not looked at. */
const rowsAtMost = 100_000;

const states: Readonly<Record<string, TcpConnection['state']>> = { '01': 'established', '0A': 'listen' };

/** The established and listening rows of `/proc/net/tcp` or `tcp6`: addresses in hex, each 32 bits in the order of a little-endian host. */
export function parseTcpTable(text: string): TcpConnection[] {
  return text.split('\n', rowsAtMost).flatMap((line): TcpConnection[] => {
    const [, local, remote, code] = /^\s*\d+:\s+([0-9A-F:]+)\s+([0-9A-F:]+)\s+([0-9A-F]{2})\s/i.exec(line) ?? [];
    const state = states[(code ?? '').toUpperCase()];
    const [from, to] = [endpoint(local), endpoint(remote)];
    if (state === undefined || from === undefined || to === undefined) return [];
    return [{ state, localAddress: from.address, localPort: from.port, remoteAddress: to.address, remotePort: to.port }];
  });
}

function endpoint(text: string | undefined): { readonly address: string; readonly port: number } | undefined {
  const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/i.exec(text ?? '') ?? [];
  if (hex === undefined || port === undefined) return undefined;
  const words = hex.match(/.{8}/g) as string[];
  const bytes = Uint8Array.from(words.flatMap((word) => (word.match(/../g) as string[]).reverse().map((octet) => parseInt(octet, 16))));
  const mapped = bytes.length === 16 && bytes.subarray(0, 10).every((octet) => octet === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return { address: mapped ? ipFromBytes(bytes, 12, 4) : ipFromBytes(bytes, 0, bytes.length as 4 | 16), port: parseInt(port, 16) };
}
