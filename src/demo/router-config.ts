import { parseIp, type IpAddress } from '../../net/ip.ts';
import type { RouterOptions, RouterPeer } from './router.ts';

/** The embedded router's configuration file, checked. */
export interface RouterConfig extends RouterOptions {
  readonly listen: readonly IpAddress[];
  readonly port: number;
  readonly peers: readonly RouterPeer[];
  readonly installRoutes: boolean;
}

/** Reads the JSON text. Throws an Error that names the key. */
export function parseRouterConfig(text: string): RouterConfig {
  const json = JSON.parse(text) as Record<string, unknown>;
  const peers = list(json, 'peers').map((entry): RouterPeer => {
    const peer = entry as Record<string, unknown>;
    return { name: String(peer['name']), address: address(peer['address'], 'peers: address'), asn: number(peer['asn'], 'peers: asn', 1, 0xffffffff) };
  });
  if (new Set(peers.map(({ name }) => name)).size < peers.length) throw new Error('peers: two have the same name');
  return {
    asn: number(json['asn'], 'asn', 1, 0xffffffff),
    routerId: address(json['routerId'], 'routerId'),
    listen: list(json, 'listen').map((entry) => address(entry, 'listen')),
    port: json['port'] === undefined ? 179 : number(json['port'], 'port', 1, 65535),
    peers,
    reflector: json['reflector'] === true,
    installRoutes: json['installRoutes'] === true,
  };
}

function list(json: Record<string, unknown>, key: string): readonly unknown[] {
  const value = json[key];
  if (!Array.isArray(value) || value.length === 0) throw new Error(`${key}: a list with at least one entry`);
  return value;
}

function address(value: unknown, key: string): IpAddress {
  const result = typeof value === 'string' ? parseIp(value) : undefined;
  if (result === undefined) throw new Error(`${key}: not an IP address: ${String(value)}`);
  return result;
}

function number(value: unknown, key: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) throw new Error(`${key}: a number from ${least} to ${most}`);
  return value;
}
