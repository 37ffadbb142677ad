import type { Config } from '../../config/config.ts';

/** What the daemon itself does to the node's kernel; all off where the configuration has no such keys. */
export interface KernelOptions {
  readonly routes: 'off' | 'received' | 'host';
  readonly refreshesNeighbors: boolean;
  readonly changesKernel: boolean;
  /** The first key that asks for it. */
  readonly key: string;
}

/** Not every configuration has it. */
interface Maybe {
  readonly stragglers?: { readonly enabled?: boolean };
}

export function kernelOf(config: Config): KernelOptions {
  const { kernel } = config;
  const { stragglers } = config as Maybe;
  const { routes } = kernel;
  const refreshesNeighbors = kernel.refreshNeighbors || routes === 'host';
  const keys = [...(routes === 'off' ? [] : ['kernel.routes']), ...(kernel.refreshNeighbors ? ['kernel.refreshNeighbors'] : []), ...(stragglers?.enabled === true ? ['stragglers'] : [])];
  return { routes, refreshesNeighbors, changesKernel: keys.length > 0, key: keys[0] ?? '' };
}
