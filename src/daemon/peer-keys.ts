import { readAoKeys, sameAoKeys, type AoKey } from '../../bgp/io/tcp-ao.ts';
import { readKey } from '../../bgp/io/tcp-auth.ts';
import type { Config, PeerConfig } from '../../config/config.ts';

/** How a peer's segments are signed: by TCP MD5, by TCP-AO, or not at all. */
export interface PeerAuth {
  readonly md5?: Uint8Array;
  readonly ao?: readonly AoKey[];
}

type Keyed = Pick<PeerConfig, 'name' | 'password' | 'tcpAo'>;

function readAuth({ password, tcpAo }: Omit<Keyed, 'name'>): PeerAuth {
  if (tcpAo !== undefined) return { ao: readAoKeys(tcpAo) };
  return password === undefined ? {} : { md5: readKey(password) };
}

const isSigned = ({ md5, ao }: PeerAuth): boolean => md5 !== undefined || ao !== undefined;

/** The keys that each keyed peer's and range's sockets were last given. */
export class PeerKeys {
  private readonly given = new Map<string, PeerAuth>();

  /** Reads what a peer's sockets are given now. @throws KeyError */
  read(peer: Keyed): PeerAuth {
    const auth = readAuth(peer);
    if (isSigned(auth)) this.given.set(peer.name, auth);
    else this.given.delete(peer.name);
    return auth;
  }

  /** Somebody has come from a range, and has its keys. */
  inherit(name: string, range: string): void {
    const auth = this.given.get(range);
    if (auth !== undefined) this.given.set(name, auth);
  }

  forget(name: string): void {
    this.given.delete(name);
  }

  /** Peers and ranges of a configuration whose keys read differently from what their sockets have. One that can't be read is none: the dial says so. */
  changed({ bgp }: Config, peerOf: (name: string) => PeerConfig | undefined): { readonly name: string; readonly key: string }[] {
    return [...this.given].flatMap(([name, has]) => {
      const range = bgp.listen.ranges?.find((candidate) => candidate.name === name);
      const peer: Keyed | undefined = bgp.peers.find((candidate) => candidate.name === name) ?? range ?? peerOf(name);
      if (peer === undefined) return [];
      try {
        const reads = readAuth(peer);
        // With a key or without one, or signed in another way, is another session.
        if ((has.md5 === undefined) !== (reads.md5 === undefined) || (has.ao === undefined) !== (reads.ao === undefined)) return [];
        const same = Buffer.compare(has.md5 ?? new Uint8Array(), reads.md5 ?? new Uint8Array()) === 0 && sameAoKeys(has.ao, reads.ao);
        return same ? [] : [{ name, key: `bgp.${range === undefined ? 'peers' : 'listen.ranges'}[${name}].${reads.ao === undefined ? 'password' : 'tcpAo.keys'}` }];
      } catch {
        return [];
      }
    });
  }
}
