import { ip } from '../../net/ip.ts';
import { garpFrame } from '../../src/demo/frames.ts';
import { openFrameSender } from '../../src/demo/io/frame-sender.ts';

// send-garp IFACE MAC ADDRESS: one gratuitous ARP out of an interface of this network namespace, as a kernel sends it.

const [ifname, mac, address] = process.argv.slice(2) as [string, string, string];
openFrameSender().send(ifname, garpFrame(mac, ip(address)));
process.exit(0);
