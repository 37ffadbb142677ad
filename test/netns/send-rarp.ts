import { rarpFrame } from '../../src/demo/frames.ts';
import { openFrameSender } from '../../src/demo/io/frame-sender.ts';

// send-rarp IFACE MAC: one RARP out of an interface of this network namespace, as QEMU sends it at the end of a migration.

const [ifname, mac] = process.argv.slice(2) as [string, string];
openFrameSender().send(ifname, rarpFrame(mac));
process.exit(0);
