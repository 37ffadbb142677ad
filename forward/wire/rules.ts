import { encodeMessage, NLM_F_REQUEST } from '../../bridge/wire/netlink.ts';
import { ownProtocol } from '../entries.ts';
import { attribute, text, u32 } from './octets.ts';

// Rules that lead to a table (linux/fib_rules.h).

const RTM = { getLink: 18, newRule: 32, delRule: 33 } as const;
const FRA = { iifname: 3, priority: 6, protocol: 21 } as const;
const FR_ACT_TO_TBL = 1;
const AF = { ipv4: 2, ipv6: 10 } as const;
const flags = { ack: 0x004, exclusive: 0x200, create: 0x400 } as const;

export interface Rule {
  readonly ifname: string;
  /** The rule's preference, too. */
  readonly table: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** What comes in by an interface is looked up in a table first. Answered with EEXIST where the rule is there; `remove` takes it away. */
export function encodeRule(sequence: number, { ifname, table, family }: Rule, remove = false): Uint8Array {
  return encodeMessage({
    type: remove ? RTM.delRule : RTM.newRule, flags: NLM_F_REQUEST | flags.ack | (remove ? 0 : flags.create | flags.exclusive), sequence, port: 0,
  }, Uint8Array.from([
    AF[family], 0, 0, 0, table, 0, 0, FR_ACT_TO_TBL, ...u32(0),
    ...attribute(FRA.iifname, text(ifname)), ...attribute(FRA.priority, u32(table)), ...attribute(FRA.protocol, [ownProtocol]),
  ]));
}

/** Asks for the name of an interface. */
export function encodeNameQuestion(sequence: number, ifindex: number): Uint8Array {
  return encodeMessage({ type: RTM.getLink, flags: NLM_F_REQUEST, sequence, port: 0 }, Uint8Array.from([...u32(0), ...u32(ifindex), ...u32(0), ...u32(0)]));
}
