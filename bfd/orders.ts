import { parseIp, type IpAddress } from '../net/ip.ts';
import { bfdStates, type BfdState } from './wire/control-packet.ts';

// What the speaker and the BFD process tell each other over their Unix socket: a JSON object a line.

/** A neighbor to watch. */
export interface BfdNeighbor {
  /** The name of the peer. */
  readonly name: string;
  readonly address: IpAddress;
  readonly interface?: string;
  readonly sourceAddress?: IpAddress;
  readonly minTxMs: number;
  readonly minRxMs: number;
  readonly multiplier: number;
}

/** From the speaker: all neighbors. Those of before that are not among them end with AdminDown. */
export interface BfdOrder {
  readonly neighbors: readonly BfdNeighbor[];
  /** How long the sessions go on when the speaker is gone, in seconds. */
  readonly lingerSeconds: number;
}

/** From the process: a session has this state now; one line for each after an order, and at each change. */
export interface BfdReport {
  readonly name: string;
  readonly state: BfdState;
  /** Why it is not up, in words. */
  readonly text: string;
  /** The neighbor was shut down by its operator, or we were: nothing has failed (RFC 5882 section 4.2). */
  readonly administrative: boolean;
  readonly remoteState: BfdState;
  readonly detectionTimeMs: number;
  readonly sendIntervalMs: number;
  /** Ups since the process began. */
  readonly ups: number;
}

/** The longest line. */
export const lineOctets = 64 * 1024;
const neighborsAtMost = 64;

type Fields = Record<string, unknown>;

function fieldsOf(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Fields : undefined;
  } catch {
    return undefined;
  }
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 253;
const isWithin = (value: unknown, least: number, most: number): value is number => typeof value === 'number' && value >= least && value <= most;
const isState = (value: unknown): value is BfdState => bfdStates.includes(value as BfdState);
const isAddress = (value: unknown): value is IpAddress => typeof value === 'string' && parseIp(value) === value;

/** An order, or `undefined` for anything else. */
export function parseBfdOrder(line: string): BfdOrder | undefined {
  const fields = fieldsOf(line);
  if (fields === undefined || !Array.isArray(fields['neighbors']) || !isWithin(fields['lingerSeconds'], 0, 86_400)) return undefined;
  const neighbors = (fields['neighbors'] as unknown[]).map(parseNeighbor);
  if (neighbors.length > neighborsAtMost || !neighbors.every((neighbor) => neighbor !== undefined)) return undefined;
  if (new Set(neighbors.map(({ name }) => name)).size !== neighbors.length) return undefined;
  return { neighbors, lingerSeconds: fields['lingerSeconds'] };
}

function parseNeighbor(value: unknown): BfdNeighbor | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, address, interface: link, sourceAddress, minTxMs, minRxMs, multiplier } = value as Fields;
  if (!isName(name) || !isAddress(address) || !isWithin(minTxMs, 1, 3_600_000) || !isWithin(minRxMs, 1, 3_600_000)) return undefined;
  if (!isWithin(multiplier, 1, 255) || !Number.isInteger(multiplier)) return undefined;
  if (link !== undefined && !(typeof link === 'string' && /^[^\s/\0]{1,15}$/.test(link))) return undefined;
  if (sourceAddress !== undefined && !isAddress(sourceAddress)) return undefined;
  return {
    name, address, minTxMs, minRxMs, multiplier, ...(link === undefined ? {} : { interface: link }), ...(sourceAddress === undefined ? {} : { sourceAddress }),
  };
}

/** A report, or `undefined` for anything else. */
export function parseBfdReport(line: string): BfdReport | undefined {
  const { name, state, text, administrative, remoteState, detectionTimeMs, sendIntervalMs, ups } = fieldsOf(line) ?? {};
  if (!isName(name) || !isState(state) || !isState(remoteState) || typeof text !== 'string' || typeof administrative !== 'boolean') return undefined;
  if (![detectionTimeMs, sendIntervalMs, ups].every((value) => isWithin(value, 0, Number.MAX_SAFE_INTEGER))) return undefined;
  return { name, state, text, administrative, remoteState, detectionTimeMs, sendIntervalMs, ups } as BfdReport;
}
