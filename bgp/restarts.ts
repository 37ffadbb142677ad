import type { Family } from '../net/ip.ts';
import type { Capability } from './wire/messages.ts';
import { afiSafiOf } from './wire/mp-nlri.ts';

/** What a peer's OPEN says about its restarts, for one family. */
export interface FamilyRestart {
  /** How long its routes stay as they are, in seconds, 0…4095 (RFC 4724). */
  readonly restartSeconds: number;
  /** How much longer they stay as the least preferred of all, in seconds, 0…16777215 (RFC 9494). */
  readonly longLivedSeconds: number;
  /** F: it is back, and has kept what it had. What it showed before may stay until its End-of-RIB. */
  readonly preserved: boolean;
  /** The same for what has stayed beyond the Restart Time. */
  readonly longLivedPreserved: boolean;
}

/**
 * Reads capabilities 64 and 71 for a family. One that is not named has no time (RFC 9494 section 4.2), and 71 counts beside 64 only (section 4.5).
 * Its F bit is not enough where 64 names the family with a clear one (section 5).
 */
export function familyRestart(capabilities: readonly Capability[], family: Family): FamilyRestart {
  const { afi, safi } = afiSafiOf(family);
  // Of several the last counts (RFC 4724 section 3).
  const graceful = capabilities.findLast((capability) => capability.type === 'gracefulRestart');
  const longLived = capabilities.findLast((capability) => capability.type === 'longLivedGracefulRestart');
  if (graceful === undefined) return { restartSeconds: 0, longLivedSeconds: 0, preserved: false, longLivedPreserved: false };
  const named = graceful.families.findLast((one) => one.afi === afi && one.safi === safi);
  const longNamed = longLived?.families.findLast((one) => one.afi === afi && one.safi === safi);
  return {
    restartSeconds: named === undefined ? 0 : graceful.restartTimeSeconds,
    longLivedSeconds: longNamed?.staleTimeSeconds ?? 0,
    preserved: named?.forwardingState === true,
    longLivedPreserved: longNamed?.forwardingState === true && named?.forwardingState !== false,
  };
}
