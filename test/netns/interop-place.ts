import type { Namespaces } from '../../src/demo/namespaces.ts';

/** What a router says of itself. Sessions are named by the neighbor's address. */
export interface InteropRouter {
  start(): Promise<void>;
  established(): Promise<Set<string>>;
  /** What it has from each neighbor: `neighbor prefix`. */
  received(): Promise<Set<string>>;
  /** Sessions of its BFD that are up. */
  bfdUp(): Promise<Set<string>>;
}

export interface Place {
  readonly namespaces: Namespaces;
  readonly namespace: string;
  readonly folder: string;
}
