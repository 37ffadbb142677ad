import { garpFrame, naFrame, rarpFrame } from '../../garp/wire/frames.ts';
import { ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { pcapng } from '../decode/build.ts';

const mac = '52:54:00:aa:00:01' as Mac;
const vlan = 100;
const start = 1_764_000_000_000;

/** What a port of a hypervisor sees when a VM resumes there: QEMU's RARPs and the guest's own announcements, and a guest that wants too much. */
export const resume: Buffer = pcapng([
  { ms: start, bytes: rarpFrame(mac, { vlan }) },
  { ms: start + 14, bytes: garpFrame(mac, ip('203.0.113.11'), { vlan }) },
  { ms: start + 17, bytes: naFrame(mac, ip('2001:db8:100::11'), { vlan }) },
  { ms: start + 50, bytes: rarpFrame(mac, { vlan }) },
  { ms: start + 181, bytes: garpFrame(mac, ip('198.51.100.7'), { vlan }) },
  { ms: start + 200, bytes: rarpFrame(mac, { vlan }) },
  { ms: start + 450, bytes: rarpFrame(mac, { vlan }) },
  { ms: start + 800, bytes: rarpFrame(mac, { vlan }) },
], { name: 'vnet4' });
