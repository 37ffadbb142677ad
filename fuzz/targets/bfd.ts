import { parseBfdOrder, parseBfdReport } from '../../bfd/orders.ts';
import { createBfdSession, stepBfd } from '../../bfd/session.ts';
import { decodeControlPacket, encodeControlPacket } from '../../bfd/wire/control-packet.ts';

/** Control packets of 24 octets in a row, given to one session; and lines for the process. Nothing throws. */
export function fuzz(bytes: Buffer): void {
  let session = createBfdSession({ discriminator: 7, minTxMs: 100, minRxMs: 100, multiplier: 3 }, 0);
  let now = 0;
  for (let at = 0; at < bytes.length; at += 24) {
    const packet = decodeControlPacket(bytes.subarray(at, at + 24));
    if (packet === undefined) continue;
    now += packet.detectMultiplier;
    for (const input of [{ type: 'packet', packet }, { type: 'tick' }] as const) {
      const step = stepBfd(session, input, now, () => 0.5);
      session = step.session;
      for (const output of step.outputs) {
        if (output.type === 'send' && decodeControlPacket(encodeControlPacket(output.packet)) === undefined) throw new Error(`a packet that nobody takes: ${JSON.stringify(output.packet)}`);
      }
    }
  }
  const line = bytes.toString('utf8');
  parseBfdOrder(line);
  parseBfdReport(line);
}
