import { compareConfigs, type KeyChange } from '../../config/compare.ts';
import type { Config } from '../../config/config.ts';

/** What becomes of a session. */
export interface PeerPlan {
  readonly name: string;
  /** `replaced`: another router under the same name, so that the old one is taken leave of like one that is removed. */
  readonly action: 'added' | 'removed' | 'reset' | 'replaced';
  /** Why. */
  readonly keys: readonly string[];
}

/** What a reload would do, or did. */
export interface ReloadPlan {
  readonly changes: readonly KeyChange[];
  /** Changes that only a restart can apply: with any of them nothing is applied. */
  readonly refused: readonly KeyChange[];
  /** Sessions that do not stay as they are. */
  readonly peers: readonly PeerPlan[];
}

/** Compares the configuration that runs with one that could. Pure. */
export function planReload(before: Config, after: Config): ReloadPlan {
  const changes = compareConfigs(before, after);
  return { changes, refused: changes.filter((change) => change.class === 'restart'), peers: planPeers(before, after, changes) };
}

function planPeers(before: Config, after: Config, changes: readonly KeyChange[]): PeerPlan[] {
  const session = changes.filter((change) => change.class === 'session');
  // Peers of ranges are not known by name before they come: see callers.ts.
  const ofAll = session.filter((change) => change.peer === undefined && !change.key.startsWith('bgp.listen.ranges')).map(({ key }) => key);
  const [old, next] = [before, after].map(({ bgp }) => new Set(bgp.peers.map(({ name }) => name))) as [Set<string>, Set<string>];
  return [...new Set([...old, ...next])].flatMap((name): PeerPlan[] => {
    if (!next.has(name)) return [{ name, action: 'removed', keys: [] }];
    if (!old.has(name)) return [{ name, action: 'added', keys: [] }];
    const own = session.filter((change) => change.peer === name).map(({ key }) => key);
    const keys = [...own, ...ofAll];
    if (keys.length === 0) return [];
    const elsewhere = own.some((key) => key.endsWith('].address') || key.endsWith('].interface'));
    return [{ name, action: elsewhere ? 'replaced' : 'reset', keys }];
  });
}
