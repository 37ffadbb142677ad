import type { Socket } from 'node:net';
import { lineOctets } from '../orders.ts';

/** Gives each line that comes. One that is too long ends the connection. */
export function onLines(socket: Socket, onLine: (line: string) => void): void {
  let text = '';
  socket.setEncoding('utf8').on('data', (data: string) => {
    text += data;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      onLine(text.slice(0, end));
      text = text.slice(end + 1);
    }
    if (text.length > lineOctets) socket.destroy();
  });
}
