import { loadConfig } from '../../config/io/load.ts';
import { formatErrors } from '../../config/errors.ts';
import { parseIp } from '../../net/ip.ts';
import { intentOf, type Neighbor, type Role } from '../tor-config/intent.ts';
import { oses, renderTorConfig } from '../tor-config/render.ts';
import { CommandError, defaultConfigFile, print, status, type GlobalOptions } from './global.ts';

export interface TorConfigOptions {
  readonly os: string;
  readonly role?: string;
  readonly asn?: string;
  readonly neighbor?: readonly string[];
  readonly fabric?: readonly string[];
}

/** `tor-config PEER`: the router's side of a peering, from the configuration file; no daemon is asked. */
export function torConfig(options: GlobalOptions, peerName: string, own: TorConfigOptions): number {
  const { config, errors } = loadConfig(options.config ?? defaultConfigFile, { environment: process.env });
  if (config === undefined) throw new CommandError(status.config, formatErrors(errors));
  const peer = config.bgp.peers.find(({ name }) => name === peerName);
  if (peer === undefined) throw new CommandError(status.usage, `there is no peer ${JSON.stringify(peerName)} for this node; there ${config.bgp.peers.length === 1 ? 'is' : 'are'} ${config.bgp.peers.map(({ name }) => name).join(', ') || 'none'}`);
  if (!oses.includes(own.os)) throw new CommandError(status.usage, `--os is one of ${oses.join(', ')}`);
  const role = (own.role ?? 'tor') as Role;
  if (role === 'node' && own.os !== 'frr' && own.os !== 'bird') throw new CommandError(status.usage, '--role node is for a program on the node: --os frr or bird');
  const routerAsn = own.asn === undefined ? undefined : asnOf(own.asn);
  const intent = intentOf(config, peer, {
    role, neighbors: (own.neighbor ?? []).map((text) => neighborOf(text, config.bgp.asn)), fabric: (own.fabric ?? []).map((text) => neighborOf(text, undefined)),
    ...(routerAsn === undefined ? {} : { asn: routerAsn }),
  });
  if (typeof intent === 'string') throw new CommandError(status.failed, intent);
  print(renderTorConfig(own.os, intent));
  return 0;
}

function asnOf(text: string): number {
  const asn = Number(text);
  if (!/^\d{1,10}$/.test(text) || asn < 1 || asn > 4294967295) throw new CommandError(status.usage, `${JSON.stringify(text)} is no AS number, 1…4294967295`);
  return asn;
}

/** `192.0.2.2` or `192.0.2.2@65010`. */
function neighborOf(text: string, defaultAsn: number | undefined): Neighbor {
  const at = text.lastIndexOf('@');
  const address = parseIp(at < 0 ? text : text.slice(0, at));
  if (address === undefined) throw new CommandError(status.usage, `${JSON.stringify(text)} is no ADDRESS or ADDRESS@ASN`);
  if (at < 0 && defaultAsn === undefined) throw new CommandError(status.usage, `--fabric ${text} lacks its AS number: ADDRESS@ASN`);
  return { address, asn: at < 0 ? (defaultAsn as number) : asnOf(text.slice(at + 1)) };
}
