import { type PortMark, contradicts, matchesPattern } from '../bridge/ports.ts';
import { printable } from '../net/printable.ts';
import { type BindingTable, type Claimant, bindingsOf } from './bindings.ts';

/** The port that a claim came from, with what it says of its guest. */
export interface ClaimPort {
  readonly ifindex: number;
  readonly name: string;
  readonly mark?: PortMark;
}

/**
 * `verified`: something that the guest can't write says that this MAC belongs behind this port. `wrong`: it says the contrary.
 * `unmarked`: nothing is said.
 */
export type PortStanding = { readonly standing: 'verified' | 'unmarked' } | { readonly standing: 'wrong'; readonly reason: string };

/** Does the MAC belong behind this port? A binding that names its port decides; else the port's own mark. */
export function standingOf(table: BindingTable, claim: Claimant & { readonly port: ClaimPort }): PortStanding {
  const { port, mac } = claim;
  const named = bindingsOf(table, claim.vrf, mac, claim.vlan).filter((binding) => binding.port !== undefined);
  const first = named[0];
  if (first !== undefined) {
    if (named.some((binding) => matchesPattern(binding.port as string, port.name))) return { standing: 'verified' };
    return { standing: 'wrong', reason: `binding ${printable(first.vm)} is for port ${printable(first.port as string)}` };
  }
  if (port.mark === undefined) return { standing: 'unmarked' };
  if (!contradicts(port.mark, mac)) return { standing: 'verified' };
  const whose = port.mark.from === 'alias' ? `its alias says ${port.mark.mac}` : `its tap's MAC says ..:${port.mark.lastFive}`;
  return { standing: 'wrong', reason: `port is another guest's: ${whose}` };
}
