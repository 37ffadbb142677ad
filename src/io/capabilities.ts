import { readFileSync } from 'node:fs';
import { explainMissing as explain, parseCapabilitySets, type CapabilityName, type CapabilitySets } from '../capability-sets.ts';

/** The sets of this process; `undefined` where `/proc` does not show them. */
export function readCapabilitySets(): CapabilitySets | undefined {
  try {
    return parseCapabilitySets(readFileSync('/proc/self/status', 'utf8'));
  } catch {
    return undefined;
  }
}

/** Why the kernel refused something that needs `capability`, and what cures it. */
export function explainMissing(capability: CapabilityName, sets = readCapabilitySets()): string {
  return sets === undefined ? `${capability} is needed` : explain(capability, sets);
}
