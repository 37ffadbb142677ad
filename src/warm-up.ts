import { packUpdates } from '../bgp/pack-updates.ts';
import type { RouteChange } from '../bgp/route.ts';
import { encodeMessage } from '../bgp/wire/message.ts';
import type { CodecContext, Message } from '../bgp/wire/messages.ts';
import type { Config, WatchConfig } from '../config/config.ts';
import { makeLink, type BridgeChange } from '../bridge/ports.ts';
import type { CapturedFrame } from '../garp/announcement.ts';
import { garpFrame, naFrame, rarpFrame } from '../garp/wire/frames.ts';
import { makeBindingTable } from '../identity/bindings.ts';
import { familyOf, hostPrefix, ip, ipFromBytes, ipToBytes, isIpv4, prefixAddress, prefixContains, type IpAddress, type Prefix } from '../net/ip.ts';
import { parseMac, type Mac } from '../net/mac.ts';
import type { Now } from '../net/time.ts';
import { encodeClaimMarks } from '../routes/claim-communities.ts';
import { addressKey } from '../routes/loc-rib.ts';
import type { SpeakerOptions } from './new-world.ts';
import { Speaker } from './speaker.ts';
import { isTellingDue } from './untold.ts';
import type { Input } from './world.ts';

/** So many claims are made: enough for the optimising compiler to have taken up the whole path, in a few tenths of a second. */
const usualClaims = 2000;
/** With more peers fewer claims do: each is told to every peer, and a node with 64 routers must not take a minute to start. */
const usualPeers = 2;
const fewestClaims = 100;
const vmLimit = 200;

const bridgeMac = macOf(255);

interface WarmVm {
  readonly mac: Mac;
  readonly address: IpAddress;
  readonly vrf: string;
  readonly tag?: CapturedFrame['tag'];
  /** Its local port; the uplink is the next. */
  readonly port: number;
}

/**
 * The first frame after a start costs milliseconds, because nothing is compiled yet. So before the process says that it is ready, a
 * speaker that nobody sees walks the whole path, frame to UPDATE and back. It has the configuration that will run, for code that was
 * compiled for objects of another shape is thrown away at the first real one, and runs slower than code that was never compiled.
 * @param asReceived makes of bytes what a socket would give
 * @returns how many claims it made: what a caller may check
 */
export function warmUp(options: Omit<SpeakerOptions, 'dryRun' | 'random' | 'newConnection'>, now: Now, asReceived: (bytes: Uint8Array) => Uint8Array, claims = claimsFor(options.config.bgp.peers.length)): number {
  const { config } = options;
  let { monotonicMs } = now;
  let connection = 0;
  const speaker = new Speaker({ ...options, dryRun: false, random: () => 0.5, newConnection: () => ++connection }, now);
  const writtenAt = new Map(config.bgp.peers.map((peer) => [peer.name, monotonicMs]));
  const give = (input: Input): void => {
    monotonicMs += 1.001;
    const at: Now = { monotonicMs, wallMs: now.wallMs, wallTrusted: now.wallTrusted, wallSynchronised: now.wallSynchronised ?? true };
    speaker.dispatch(input, at);
    if (isTellingDue(speaker.world)) speaker.dispatch({ type: 'written', at: writtenAt }, at);
  };
  give({ type: 'bridge', change: bridgesOf(config) });
  config.watch.forEach(({ ports }, i) => give({ type: 'gate', ifindex: portOf(i), port: nameFor(ports.local[0] ?? 'tap*'), open: true, text: 'warm-up' }));
  give({ type: 'start' });
  openSessions(config, asReceived, (peer, input) => give({ type: 'session', peer, input }));
  const vms = warmVms(config);
  if (config.identity.bindings.length === 0 && config.identity.mode === 'strict') {
    speaker.world.bindings = makeBindingTable(vms.map(({ mac, vrf, address }) => ({ vm: 'warm-up', mac, vrf, ips: [address] })));
  }
  if (vms.length === 0) return 0;
  monotonicMs += 5000; // the search for VMs that are here is over
  const hear = (bytes: Uint8Array, ifindex: number, tag: CapturedFrame['tag']): void => give({ type: 'frame', frame: captured(bytes, ifindex, monotonicMs + 1.003, tag) });
  const rivals = rivalsOf(config, asReceived);
  for (let i = 0; i < claims; i++) {
    // Time and again all VMs are new ones: the first claim of an address takes other branches than its return.
    if (i % vms.length === 0) forget(speaker);
    const vm = vms[i % vms.length] as WarmVm;
    const { mac, address, tag, port } = vm;
    const garp = isIpv4(address) ? garpFrame(mac, address) : naFrame(mac, address);
    // What the uplink tells must differ from what the port told, or it would be a reflection.
    const [here, there] = i % 4 === 0 ? [rarpFrame(mac), garp] : [garp, rarpFrame(mac)];
    hear(here, port, tag);
    if (i % 8 === 0) hear(here, port, tag);
    if (i % 16 === 0) hear(garpFrame(bridgeMac, address), port, tag);
    const rival = rivals[i % rivals.length];
    if (i % 2 === 0 || rival === undefined) hear(there, port + 1, tag);
    else {
      if (config.stragglers.enabled) give(strangerClaim(speaker, vm));
      for (const input of rival(vm, i + 2_000_000_000)) give(input);
    }
  }
  return speaker.world.migrations.all.filter((m) => m.direction === 'in').length;
}

/** As many as make a start with many peers about as long as one with few. */
export function claimsFor(peers: number): number {
  return Math.max(fewestClaims, Math.round(usualClaims * Math.min(1, usualPeers / peers)));
}

function forget({ world }: Speaker): void {
  world.locRib.handovers.clear();
  world.locRib.byPort.clear();
  world.rivals.clear();
  for (const peer of world.peers.values()) peer.adjOut.sent.clear();
}

/** For each peer what it says when another node claims a VM, and takes it back. */
function rivalsOf(config: Config, asReceived: (bytes: Uint8Array) => Uint8Array): ((vm: WarmVm, sequence: number) => Input[])[] {
  return config.bgp.peers.flatMap((peer, i) => {
    const ibgp = peer.asn === config.bgp.asn;
    const context: CodecContext = { fourOctetAs: true, ibgp, maxMessageLength: 4096 };
    const node = ip('192.0.2.3');
    return [({ mac, address }, sequence) => {
      const ipv4 = isIpv4(address);
      if (!peer.families.includes(familyOf(address))) return [];
      const route: RouteChange[] = [{
        type: 'announce',
        route: {
          prefix: hostPrefix(address),
          attributes: {
            origin: 'IGP', asPath: ibgp ? [] : [{ type: 'AS_SEQUENCE', asns: [peer.asn] }], nextHop: ipv4 ? node : ip('2001:db8::3'), med: 0, localPref: 100, communities: [],
            largeCommunities: encodeClaimMarks(config.routes.globalAdmin, { segment: 0, sequence, mac, node }),
          },
        },
      }];
      const packed = (changes: RouteChange[]): Input[] => packUpdates(changes, { context, localAsn: peer.asn, families: peer.families, peerType: ibgp ? 'ibgp' : 'ebgp' })
        .map((update) => ({ type: 'session', peer: peer.name, input: { type: 'data', connection: i + 1, bytes: asReceived(encodeMessage(update, context)) } }));
      return [...packed(route), ...packed([{ type: 'withdraw', prefix: hostPrefix(address) }])];
    }];
  });
}

function captured(bytes: Uint8Array, ifindex: number, capturedAtMs: number, tag: CapturedFrame['tag']): CapturedFrame {
  return tag === undefined ? { bytes, ifindex, capturedAtMs } : { bytes, ifindex, capturedAtMs, tag };
}

/** Every peer's session, from its dial to Established. */
function openSessions(config: Config, asReceived: (bytes: Uint8Array) => Uint8Array, give: (peer: string, input: Extract<Input, { type: 'session' }>['input']) => void): void {
  config.bgp.peers.forEach((peer, i) => {
    const connection = i + 1;
    const context: CodecContext = { fourOctetAs: true, ibgp: peer.asn === config.bgp.asn, maxMessageLength: 4096 };
    const open: Message = {
      type: 'OPEN', version: 4, myAs: peer.asn > 65535 ? 23456 : peer.asn, holdTimeSeconds: 90, bgpIdentifier: ip('192.0.2.1'),
      capabilities: [
        ...peer.families.map((family) => ({ type: 'multiprotocol' as const, afi: family === 'ipv4-unicast' ? 1 : 2, safi: 1 })),
        { type: 'fourOctetAs' as const, asn: peer.asn },
      ],
    };
    give(peer.name, { type: 'connected', connection, localAddress: isIpv4(peer.address) ? ip('192.0.2.2') : ip('2001:db8::2') });
    for (const message of [open, { type: 'KEEPALIVE' as const }]) {
      give(peer.name, { type: 'data', connection, bytes: asReceived(encodeMessage(message, context)) });
    }
  });
}

/** A local port and an uplink on every watched bridge, with names that the configuration expects; ifindexes 10, 11, 12, then 20, … */
function bridgesOf(config: Config): BridgeChange {
  const links = config.watch.flatMap((watch, i) => {
    const bridge = portOf(i) - 1;
    // In the order in which the kernel tells them.
    return [
      makeLink(bridge, watch.bridge, { mac: bridgeMac, kind: 'bridge' }, true, true),
      makeLink(bridge + 1, nameFor(watch.ports.local[0] ?? 'tap*'), { master: bridge, mac: bridgeMac, kind: i % 2 === 0 ? 'tun' : 'veth' }, true, true),
      makeLink(bridge + 2, nameFor(watch.ports.uplink[0] ?? 'eth*'), { master: bridge, mac: bridgeMac }, true, true),
    ];
  });
  return { type: 'resync', links, fdb: [], ownAddresses: [] };
}

function portOf(watch: number): number {
  return 10 * (watch + 1) + 1;
}

function nameFor(pattern: string): string {
  return pattern.replace(/[*?]|\[[^\]]*\]/g, '0');
}

/** VMs that the configuration binds; where it binds none, made-up ones inside what it watches. */
function warmVms(config: Config): WarmVm[] {
  const vms: WarmVm[] = [];
  config.watch.forEach((watch, i) => {
    const vlan = watch.vlans?.[0]?.[0] ?? 0;
    const place = { vrf: watch.vrf, port: portOf(i), ...(vlan === 0 ? {} : { tag: { tpid: 0x8100, tci: vlan } }) };
    const bound = config.identity.bindings.filter(({ vrf, ips, vlan: only }) => vrf === watch.vrf && (only ?? vlan) === vlan && ips.length > 0);
    for (const { mac, ips } of bound.slice(0, vmLimit)) vms.push({ mac, address: ips[0] as IpAddress, ...place });
    if (bound.length === 0) for (const prefix of watch.prefixes) vms.push(...addressesOf(prefix, watch).map((address, n) => ({ mac: macOf(n), address, ...place })));
  });
  return vms.slice(0, 2 * vmLimit);
}

function addressesOf(prefix: Prefix, { exclude }: WatchConfig): IpAddress[] {
  const addresses: IpAddress[] = [];
  for (let n = 1; n <= vmLimit; n++) {
    const bytes = ipToBytes(prefixAddress(prefix));
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) + n;
    const address = ipFromBytes(bytes, 0, bytes.length === 4 ? 4 : 16);
    if (prefixContains(prefix, address) && !exclude.includes(address)) addresses.push(address);
  }
  return addresses;
}

function macOf(n: number): Mac {
  return parseMac(`52:54:00:00:00:${n.toString(16).padStart(2, '0')}`) as Mac;
}

/** What another node's speaker tells of its claim for an address that is here. */
function strangerClaim({ world }: Speaker, { vrf, address }: WarmVm): Input {
  const sequence = (world.locRib.handovers.get(addressKey(vrf, address))?.sequence ?? 0) + 1;
  const nextHop = ip('192.0.2.254');
  return { type: 'mesh', message: { type: 'claim', segment: world.segments.get(vrf) ?? 0, node: ip('192.0.2.253'), boot: '0000000000000000', counter: sequence, nextHop, sequence, address } };
}
