import { birdConfig } from './bird.ts';
import { eosConfig, nxosConfig } from './cisco-like.ts';
import { frrConfig } from './frr.ts';
import { gobgpConfig } from './gobgp.ts';
import type { TorIntent } from './intent.ts';
import { junosConfig } from './junos.ts';
import { openbgpdConfig } from './openbgpd.ts';

interface Language {
  readonly title: string;
  readonly comment: string;
  readonly write: (intent: TorIntent) => string;
  /** Its own parser and a migration have been tried with what is written. */
  readonly tried: boolean;
  readonly hints: readonly string[];
}

const urpf = 'unicast RPF towards the nodes, where it is on, must be loose: during a move a VM\'s packets may come from the other node';
const aggregate = 'an aggregate of the VMs\' network towards the outside needs a discard (blackhole) route, so that an address without a VM is not looked for by default route';

const replaceIpv6 = 'zebra 8 takes an IPv6 route away and adds it anew when its next hop changes; with --v6-rr-semantics among zebra_options in /etc/frr/daemons it replaces it, and no packet of a move meets a router without a route';

const languages: Readonly<Record<string, Language>> = {
  frr: { title: 'FRR 8 and later', comment: '!', write: frrConfig, tried: true, hints: [replaceIpv6] },
  bird: { title: 'BIRD 2', comment: '#', write: birdConfig, tried: true, hints: [] },
  gobgp: { title: 'GoBGP 3', comment: '#', write: gobgpConfig, tried: true, hints: ['GoBGP installs no kernel routes by itself, and a session that its prefix limit ended stays down for its idle hold time'] },
  openbgpd: { title: 'OpenBGPD 7', comment: '#', write: openbgpdConfig, tried: true, hints: [] },
  eos: { title: 'Arista EOS', comment: '!', write: eosConfig, tried: false, hints: ['communities are sent only where send-community says so, large ones too'] },
  nxos: { title: 'Cisco NX-OS', comment: '!', write: nxosConfig, tried: false, hints: ['communities are sent only where send-community and send-large-community say so'] },
  junos: { title: 'Juniper Junos', comment: '#', write: junosConfig, tried: false, hints: ['CHANGE the cluster id to the router\'s own'] },
  sonic: { title: 'SONiC with FRR (bgp container, split or separated configuration)', comment: '!', write: frrConfig, tried: false, hints: ['goes into frr.conf of the bgp container; CONFIG_DB\'s templates overwrite it unless docker_routing_config_mode is split or separated'] },
};

export const oses = Object.keys(languages);

/** The configuration of a router, ready to paste; lines to change say CHANGE. */
export function renderTorConfig(os: string, intent: TorIntent): string {
  const language = languages[os] as Language;
  const { comment } = language;
  return [
    `${comment} landfall tor-config ${intent.peerName}: ${language.title}, role ${intent.role}, ${intent.ibgp ? 'iBGP' : 'eBGP'}, profile ${intent.profile}`,
    `${comment} ${language.tried ? 'Accepted by its own parser.' : 'Not verified: written from the vendor\'s documentation, not tried on a device.'}`,
    ...explain(intent).map((line) => `${comment} ${line}`),
    ...[...language.hints, urpf, aggregate].map((line) => `${comment} Note: ${line}.`),
    language.write(intent),
  ].join('\n');
}

function explain(intent: TorIntent): string[] {
  const lines: string[] = [];
  if (intent.role === 'tor') lines.push('Repeat the neighbour for every node (or give --neighbor for each).');
  if (intent.ibgp && intent.role === 'tor') {
    lines.push('Two such routers with iBGP between them must not balance over equal iBGP paths: each would send part of a VM\'s packets to the other, and the other back.',
      '  FRR does so unless "maximum-paths ibgp 1" stands in both address families; BIRD with "merge paths"; others where multipath is on for iBGP.');
  }
  if (!intent.ibgp) lines.push('No route flap dampening for VM routes: after a few moves it takes them away.');
  if (intent.ibgp) lines.push('LOCAL_PREF comes with the routes: no inbound policy may change it. Nodes hear of each other by reflection.');
  else if (intent.profile === 'sequence') lines.push('MED orders the claims: all nodes in one AS, all ToRs of these prefixes in one AS, and no policy may change MED.');
  else if (intent.profile === 'prepend') lines.push('AS_PATH orders the claims: nothing may shorten it, and AS_PATH must count.');
  else lines.push('Every eBGP router that carries VM routes needs this mapping, a ToR also on its sessions towards the fabric (--fabric): else the source\'s ToR keeps the old path.');
  if (intent.password) lines.push('CHANGE the password to the key of the peer; it is not printed here.');
  if (intent.tcpAo === true) lines.push('ADD the key chain of TCP-AO (RFC 5925) by hand: our sendId is the router\'s receive ID; without it the session stays down.');
  return lines;
}
