import type { IpAddress } from '../../net/ip.ts';
import { noReturnTable, type NoReturn } from '../entries.ts';
import type { Rule } from '../wire/rules.ts';

/** So many interfaces of a node lead to its fabric at most. */
const rulesAtMost = 64;

/** Rules for {@link NoReturn}: one for each interface by which a next hop of another node is reached. */
export interface FabricRules {
  /** The rule that the entry needs is there, or is asked for. */
  keep(entry: NoReturn): void;
  /** Somebody may have taken rules away: each is asked for once more. */
  forget(): void;
  /** For good. */
  remove(): void;
}

/**
 * @param towards the interface by which a next hop is reached, as far as it is known
 * @param nameOf an interface's name
 * @param write puts a rule there, or takes it away; a refusal is the caller's to tell
 * @param say words for the log
 */
export function openFabricRules(options: {
  readonly towards: (address: IpAddress) => number | undefined;
  readonly nameOf: (ifindex: number) => string | undefined;
  readonly write: (rule: Rule, remove: boolean) => void;
  readonly say: (text: string) => void;
}): FabricRules {
  const { towards, nameOf, write, say } = options;
  const names = new Map<number, string>();
  const sure = new Set<number>();

  function tell(name: string, remove: boolean): void {
    for (const family of ['ipv4', 'ipv6'] as const) write({ ifname: name, table: noReturnTable, family }, remove);
  }

  function drop(ifindex: number): void {
    const name = names.get(ifindex);
    names.delete(ifindex);
    sure.delete(ifindex);
    if (name !== undefined) tell(name, true);
  }

  return {
    keep({ nextHop, ifindex = towards(nextHop), inside }) {
      for (const within of inside) if (names.has(within)) drop(within);
      if (ifindex === undefined || sure.has(ifindex) || inside.includes(ifindex)) return;
      if (names.size >= rulesAtMost && !names.has(ifindex)) return say(`more than ${rulesAtMost} interfaces lead to the fabric: packets for VMs elsewhere that come by others may go back there`);
      const name = nameOf(ifindex);
      if (name === undefined) return;
      names.set(ifindex, name);
      sure.add(ifindex);
      tell(name, false);
    },
    forget: () => sure.clear(),
    remove() {
      for (const ifindex of [...names.keys()]) drop(ifindex);
    },
  };
}
