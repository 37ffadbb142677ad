import type { CapabilitySets } from './capability-sets.ts';

/** What only the daemon knows. */
export interface ProcessFacts {
  readonly version: string;
  readonly routerIdFrom: string;
  readonly capture: { readonly received: number; readonly dropped: number };
  readonly warnings: readonly string[];
  readonly capabilities?: CapabilitySets;
  /** Where state is kept; left out: nowhere. */
  readonly stateFile?: string;
  /** Why it can't be written at present. */
  readonly stateProblem?: string;
  /** The folder of a recording that is on. */
  readonly recording?: string;
}
