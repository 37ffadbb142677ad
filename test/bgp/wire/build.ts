import type { CodecContext } from '../../../bgp/wire/messages.ts';

/** Octets from hex; blanks are free. */
export function octets(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s+/g, ''), 'hex'));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A whole message around a body, its length right. */
export function message(type: number, body: string): Uint8Array {
  const bytes = octets(`${'ff'.repeat(16)}0000${type.toString(16).padStart(2, '0')}${body}`);
  bytes.set([bytes.length >>> 8, bytes.length & 0xff], 16);
  return bytes;
}

/** An UPDATE of its three fields, the two lengths right. */
export function update(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const field = (text: string): string => {
    const plain = text.replace(/\s+/g, '');
    return (plain.length / 2).toString(16).padStart(4, '0') + plain;
  };
  return message(2, field(withdrawn) + field(attributes) + nlri);
}

export const ebgp: CodecContext = { fourOctetAs: true, ibgp: false, maxMessageLength: 4096 };
export const ibgp: CodecContext = { fourOctetAs: true, ibgp: true, maxMessageLength: 4096 };
export const ebgp2: CodecContext = { fourOctetAs: false, ibgp: false, maxMessageLength: 4096 };
