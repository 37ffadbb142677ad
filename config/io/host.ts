import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { basename, join } from 'node:path';
import type { FoundAddress, FoundBridge, FoundGuest, FoundPort, HostFacts, Platform } from '../host-facts.ts';

/** How many of each are looked at: a starter file shows the way, it is no inventory. */
const limits = { bridges: 32, ports: 1024, processes: 65_536, guestFiles: 256, guests: 256, fileSize: 1 << 20 };

const speakerNames: ReadonlySet<string> = new Set(['bird', 'bird6', 'bgpd', 'gobgpd', 'openbgpd', 'exabgp']);

/**
 * Looks at this host, changes nothing and never throws; what can't be read is left out.
 * @param root where `/sys`, `/proc` and `/etc` are, for tests.
 */
export function inspectHost(root = '/'): HostFacts {
  return {
    hostName: hostname(),
    platform: findPlatform(root),
    bridges: findBridges(root),
    addresses: findAddresses(),
    gateway: findGateway(root),
    speakers: findSpeakers(root),
    guests: findGuests(root),
    openVswitchPorts: findOpenVswitchPorts(root),
  };
}

function findPlatform(root: string): Platform | undefined {
  if (existsSync(join(root, 'etc/pve'))) return 'proxmox';
  if (existsSync(join(root, 'var/run/kubevirt')) || existsSync(join(root, 'var/lib/kubelet'))) return 'kubevirt';
  return existsSync(join(root, 'etc/libvirt')) ? 'libvirt' : undefined;
}

function findBridges(root: string): FoundBridge[] {
  const net = join(root, 'sys/class/net');
  return list(net)
    .filter((name) => existsSync(join(net, name, 'bridge')))
    .slice(0, limits.bridges)
    .map((name) => ({
      name,
      vlanFiltering: read(join(net, name, 'bridge/vlan_filtering')).trim() === '1',
      ports: list(join(net, name, 'brif')).slice(0, limits.ports).map((port) => ({ name: port, kind: kindOf(join(net, port)) })),
    }));
}

function kindOf(device: string): FoundPort['kind'] {
  if (existsSync(join(device, 'tun_flags'))) return 'guest';
  if (existsSync(join(device, 'device')) || existsSync(join(device, 'bonding'))) return 'fabric';
  const type = /^DEVTYPE=(\S+)$/m.exec(read(join(device, 'uevent')))?.[1];
  if (type !== undefined) return ['bond', 'vlan', 'vxlan', 'geneve', 'team', 'macvlan'].includes(type) ? 'fabric' : 'other';
  // A veth has no type of its own; its other end has another index.
  const [index, peer] = [read(join(device, 'ifindex')).trim(), read(join(device, 'iflink')).trim()];
  return index !== '' && peer !== '' && peer !== index ? 'guest' : 'other';
}

/** Open vSwitch has one master device for all its bridges, and no `bridge` folder. */
function findOpenVswitchPorts(root: string): string[] {
  const net = join(root, 'sys/class/net');
  return list(net).filter((name) => masterOf(join(net, name)) === 'ovs-system').slice(0, limits.ports);
}

function masterOf(device: string): string | undefined {
  try {
    return basename(readlinkSync(join(device, 'master')));
  } catch {
    return undefined;
  }
}

function findAddresses(): FoundAddress[] {
  const found: FoundAddress[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, cidr, internal } of addresses ?? []) {
      if (!internal && cidr !== null && !address.startsWith('fe80:')) found.push({ interface: name, address, cidr });
    }
  }
  return found;
}

/** `/proc/net/route`: interface, destination and gateway in hex, the host's byte order (little-endian wherever we run). */
function findGateway(root: string): HostFacts['gateway'] {
  for (const line of read(join(root, 'proc/net/route')).split('\n')) {
    const [name, destination, gateway] = line.split(/\s+/);
    if (name === undefined || destination !== '00000000' || !/^[0-9A-F]{8}$/i.test(gateway ?? '') || gateway === '00000000') continue;
    const octets = (gateway as string).match(/../g) as RegExpMatchArray;
    return { interface: name, address: octets.reverse().map((octet) => parseInt(octet, 16)).join('.') };
  }
  return undefined;
}

function findSpeakers(root: string): string[] {
  const proc = join(root, 'proc');
  const own = link(join(proc, 'self/ns/net'));
  const pids = list(proc).filter((name) => /^\d+$/.test(name)).slice(0, limits.processes);
  const found = pids.map((pid) => ({ pid, name: read(join(proc, pid, 'comm')).trim() })).filter(({ name }) => speakerNames.has(name));
  // One in a container with a network of its own is no matter of this node; one that can't be asked may be.
  const isHere = (pid: string): boolean => {
    const network = link(join(proc, pid, 'ns/net'));
    return own === undefined || network === own || (network === undefined && !hasEnded(join(proc, pid)));
  };
  return [...new Set(found.filter(({ pid }) => isHere(pid)).map(({ name }) => name))].sort();
}

/** It was there a moment ago, or is a zombie. */
function hasEnded(process: string): boolean {
  return !existsSync(process) || /\) [ZX] /.test(read(join(process, 'stat')));
}

/** The MACs of libvirt's guests. Their addresses stand in no file. */
function findGuests(root: string): FoundGuest[] {
  const folder = join(root, 'etc/libvirt/qemu');
  const files = list(folder).filter((name) => name.endsWith('.xml')).slice(0, limits.guestFiles);
  return files.flatMap((file) => guestsOf(read(join(folder, file)))).slice(0, limits.guests);
}

/** A modest scan, not an XML parser: libvirt writes these files itself, an element a line. */
function guestsOf(xml: string): FoundGuest[] {
  const name = /<name>([^<]{1,253})<\/name>/.exec(xml)?.[1];
  if (name === undefined) return [];
  return xml.split('<interface ').slice(1, 33).flatMap((part) => {
    const element = part.slice(0, Math.max(0, part.indexOf('</interface>')));
    const mac = /<mac address=['"]([0-9a-fA-F:]{17})['"]/.exec(element)?.[1];
    const bridge = /<source [^>]{0,200}?bridge=['"]([^'"]{1,15})['"]/.exec(element)?.[1];
    return mac === undefined || bridge === undefined ? [] : [{ name, mac, bridge }];
  });
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return statSync(file).size > limits.fileSize ? '' : readFileSync(file, 'utf8').slice(0, limits.fileSize);
  } catch {
    return '';
  }
}
