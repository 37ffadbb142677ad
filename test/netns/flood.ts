import { openFrameSender } from '../../src/demo/io/frame-sender.ts';
import { ip } from '../../net/ip.ts';
import { announcementFrame, garpFrame, rarpFrame } from './frames.ts';

// flood IFACE FRAMES SECONDS: that many frames, or as many as go out in that time, out of an interface of this network namespace, as fast as
// the kernel takes them: GARP, RARP and NA in turn, each with another MAC and address. Prints how many and in how many ms.

const [ifname, count, seconds] = process.argv.slice(2) as [string, string, string];
const mac = '52:54:00:00:00:01';
const patterns = [
  { frame: garpFrame(mac, ip('198.18.0.1')), macs: [6, 22, 32], addresses: [28, 38] },
  { frame: rarpFrame(mac), macs: [6, 22, 32], addresses: [] },
  { frame: announcementFrame(mac, ip('2001:db8:200::1')), macs: [6], addresses: [] },
];
const sender = openFrameSender();
sender.prepare([ifname]);
const from = performance.now();
let sent = 0;
let seed = 1;
while (sent < Number(count) && (sent % 1024 !== 0 || performance.now() - from < Number(seconds) * 1000)) {
  const { frame, macs, addresses } = patterns[sent % patterns.length]!;
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  for (const at of macs) {
    frame[at + 2] = seed >>> 24;
    frame[at + 3] = (seed >>> 16) & 255;
    frame[at + 4] = (seed >>> 8) & 255;
    frame[at + 5] = sent & 255;
  }
  for (const at of addresses) {
    frame[at + 2] = (seed >>> 20) & 255;
    frame[at + 3] = (seed >>> 12) & 255;
  }
  sender.send(ifname, frame);
  sent += 1;
}
process.stdout.write(`${JSON.stringify({ sent, ms: performance.now() - from })}\n`);
process.exit(0);
