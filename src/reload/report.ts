import { formatError, type ConfigError } from '../../config/errors.ts';
import type { ReloadItem } from '../views/items.ts';
import type { ReloadPlan } from './plan.ts';

/** What the API says of a reload, or of one that would be. @param rekeyed peers whose MD5 key reads differently now */
export function reportReload(dryRun: boolean, plan: ReloadPlan | undefined, errors: readonly ConfigError[], warnings: readonly ConfigError[], rekeyed: readonly { readonly name: string; readonly key: string }[] = []): ReloadItem {
  const result = plan === undefined ? 'invalid' : plan.refused.length > 0 ? 'refused' : plan.changes.length + rekeyed.length === 0 ? 'unchanged' : dryRun ? 'planned' : 'applied';
  return {
    result,
    changes: [
      ...(plan?.changes ?? []).map((change) => ({ ...change })),
      ...rekeyed.map(({ name, key }) => ({ key, class: 'live' as const, peer: name, from: 'a key', to: 'another' })),
    ],
    peers: (plan?.peers ?? []).map(({ name, action, keys }) => ({ name, action, keys: [...keys] })),
    errors: errors.map((error) => formatError(error)), warnings: warnings.map((warning) => formatError(warning)),
  };
}
