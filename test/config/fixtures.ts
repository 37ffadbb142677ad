import { type ParseOptions, type ParseResult, parseConfig } from '../../config/parse.ts';
import type { Config } from '../../config/config.ts';
import { formatErrors } from '../../config/errors.ts';

/** The parts of a small valid file, so that a test shows only what it changes. */
export const base = {
  bgp: '{asn: 65010, peers: [{name: tor-a, address: 192.0.2.1, asn: 65010, families: [ipv4-unicast]}]}',
  watch: '[{bridge: br-vlan, ports: {local: ["vnet*"], uplink: [bond0]}, prefixes: [203.0.113.0/24]}]',
  identity: '{mode: learn}',
};

/** A file with these sections (YAML flow text), the others as in {@link base}. */
export function fileOf(sections: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ ...base, ...sections }).map(([key, value]) => `${key}: ${value}\n`);
  return `apiVersion: landfall/v1\n${lines.join('')}`;
}

export function parse(text: string, options: Partial<ParseOptions> = {}): ParseResult {
  return parseConfig(text, { file: 'landfall.yaml', environment: {}, hostName: 'hv-01', ...options });
}

/** The configuration of a file that must be valid. */
export function valid(text: string, options: Partial<ParseOptions> = {}): Config {
  const { config, errors } = parse(text, options);
  if (config === undefined) throw new Error(`not valid:\n${formatErrors(errors)}`);
  return config;
}

export function errorsOf(text: string, options: Partial<ParseOptions> = {}): string[] {
  return parse(text, options).errors.map(({ path, message }) => `${path}: ${message}`);
}

export function warningsOf(text: string, options: Partial<ParseOptions> = {}): string[] {
  return parse(text, options).warnings.map(({ path, message }) => `${path}: ${message}`);
}
