import { probeTcpAo, setTcpAo, tcpAoInfo, type SystemError } from '../../native/index.ts';
import { isIpv4 } from '../../net/ip.ts';
import { addAoKey, decodeAoInfo, deleteAoKey, preferAoKey, type AoAlgorithm, type AoKey, type AoScope } from './ao-request.ts';
import { KeyError, readKey, type KeySource } from './tcp-auth.ts';

export type { AoKey } from './ao-request.ts';

/** The keys of a peer as the configuration has them, the preferred one first. */
export interface AoSource {
  readonly algorithm: AoAlgorithm;
  readonly keys: readonly { readonly sendId: number; readonly receiveId: number; readonly key: KeySource }[];
}

/** Reads all keys of a peer; one that can't be read means none at all. @throws KeyError */
export function readAoKeys({ algorithm, keys }: AoSource, environment: Readonly<Record<string, string | undefined>> = process.env): AoKey[] {
  return keys.map(({ sendId, receiveId, key }) => ({ sendId, receiveId, algorithm, key: readKey(key, environment) }));
}

/** The same keys in the same order. */
export function sameAoKeys(one: readonly AoKey[] | undefined, other: readonly AoKey[] | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((key, i) => isSame(key, other[i] as AoKey));
}

const hasIdsOf = (one: AoKey, other: AoKey): boolean => one.sendId === other.sendId && one.receiveId === other.receiveId;
const isSame = (one: AoKey, other: AoKey): boolean => hasIdsOf(one, other) && one.algorithm === other.algorithm && Buffer.compare(one.key, other.key) === 0;
const nameOf = ({ sendId, receiveId }: AoKey): string => (sendId === receiveId ? `key ${sendId}` : `key ${sendId}/${receiveId}`);

/** What turns the keys of a connection into others without ending it, in this order. */
export interface AoSteps {
  readonly add: readonly AoKey[];
  /** The peer is asked to sign with this one from now on. */
  readonly prefer?: AoKey;
  readonly remove: readonly AoKey[];
}

/**
 * RFC 5925 section 3.1: a KeyID means one key for as long as a connection lives, so that a new key needs IDs of its own.
 * @throws KeyError where one of the new ones does not
 */
export function aoSteps(before: readonly AoKey[], after: readonly AoKey[]): AoSteps {
  for (const key of after) {
    const taken = before.find((old) => (old.sendId === key.sendId || old.receiveId === key.receiveId) && !isSame(old, key));
    if (taken !== undefined) throw new KeyError(`TCP-AO ${nameOf(key)} is another key under an ID that the session uses: give it IDs of its own, beside the old key`);
  }
  const [first, preferred] = [after[0], before[0]];
  return {
    add: after.filter((key) => !before.some((old) => hasIdsOf(old, key))),
    ...(first === undefined || (preferred !== undefined && hasIdsOf(first, preferred)) ? {} : { prefer: first }),
    remove: before.filter((old) => !after.some((key) => hasIdsOf(old, key))),
  };
}

/** Why the kernel refused a key, for the operator; `undefined` where `error` is about something else. */
export function explainAo({ code, syscall }: Pick<SystemError, 'code' | 'syscall'>): string | undefined {
  if (syscall?.includes('TCP_AO') !== true) return undefined;
  if (code === 'ENOPROTOOPT') return 'TCP-AO is not in this kernel (it needs Linux 6.7 or later with CONFIG_TCP_AO): no key, no session';
  if (code === 'ENOENT' || code === 'ENOPKG') return `this kernel lacks the algorithm of a TCP-AO key (${code}): no key, no session`;
  return `a TCP-AO key cannot be set on the socket (${code}): no key, no session`;
}

/** Tries the keys of a peer on this kernel. @returns undefined where it takes them, or why not */
export function probeAo(scope: AoScope, keys: readonly AoKey[]): string | undefined {
  for (const key of keys) {
    const error = probeTcpAo(isIpv4(scope.address) ? 4 : 6, addAoKey(scope, key));
    if (error !== undefined) return explainAo(error) ?? error.message;
  }
  return undefined;
}

/** What a socket is given before it dials (`dialling`) or listens. */
export function aoRequests(scope: AoScope, keys: readonly AoKey[], dialling: boolean): Uint8Array[] {
  return keys.map((key, i) => addAoKey(scope, key, dialling && i === 0).bytes);
}

/** The keys under one connection. */
export interface SignedConnection {
  /** @throws KeyError, SystemError: then the keys before stay, and perhaps some of the new ones beside them */
  rekey(fd: number, keys: readonly AoKey[]): void;
}

/**
 * Looks whether the connection is signed indeed, whatever was asked for; one that came in with another key than our first is asked to change.
 * @returns undefined where it is not: it must not be used
 */
export function signedConnection(fd: number, scope: AoScope, keys: readonly AoKey[]): SignedConnection | undefined {
  let has = keys;
  try {
    const state = decodeAoInfo(tcpAoInfo(fd));
    if (state.sendId === undefined) return undefined;
    if (keys[0] !== undefined && state.receiveId !== keys[0].receiveId) setTcpAo(fd, preferAoKey(keys[0]));
  } catch {
    return undefined;
  }
  return {
    rekey(socket, next) {
      const { add, prefer, remove } = aoSteps(has, next);
      // Step by step: where one fails, the next attempt begins there.
      for (const key of add) {
        setTcpAo(socket, addAoKey(scope, key));
        has = [...has, key];
      }
      if (prefer !== undefined) {
        setTcpAo(socket, preferAoKey(prefer));
        has = [prefer, ...has.filter((key) => !hasIdsOf(key, prefer))];
      }
      const kept = remove.filter((key) => !removed(socket, scope, key));
      has = has.filter((key) => !remove.includes(key) || kept.includes(key));
      if (kept.length > 0) throw new KeyError(`TCP-AO ${kept.map(nameOf).join(', ')}: the router still signs with it or asks for it; it goes with the session, or with a later reload`);
    },
  };
}

/** A key that is in use stays: to drop it would end the session. */
function removed(fd: number, scope: AoScope, key: AoKey): boolean {
  try {
    setTcpAo(fd, deleteAoKey(scope, key));
    return true;
  } catch (error) {
    if ((error as SystemError).code === 'EBUSY') return false;
    throw error;
  }
}
