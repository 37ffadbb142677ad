import { BgpError } from './errors.ts';
import { capabilityCodes, errorCodes, errorSubcodes } from './wire/iana.ts';
import type { BgpRole, Capability } from './wire/messages.ts';

/** Whom each role may face, RFC 9234 section 4.2. */
const counterpart: Readonly<Record<BgpRole, BgpRole>> = {
  provider: 'customer', customer: 'provider', rs: 'rs-client', 'rs-client': 'rs', peer: 'peer',
};

/**
 * Checks the peer's role against ours, both as the OPENs say. A peer that says none is taken as it is (section 4.2, not strict).
 * @throws BgpError 2/11.
 */
export function checkRole(role: BgpRole | undefined, capabilities: readonly Capability[]): void {
  if (role === undefined) return;
  const said = new Set<string>();
  for (const capability of capabilities) {
    if (capability.type === 'role') said.add(capability.role);
    if (capability.type === 'unknown' && capability.code === capabilityCodes.role) said.add(`role ${capability.value[0]}`);
  }
  if (said.size === 0 || (said.size === 1 && said.has(counterpart[role]))) return;
  throw new BgpError(errorCodes.open, errorSubcodes.open.roleMismatch, `we are ${role}, it says ${[...said].join(' and ')}`);
}

/** OTC on a route that we send, section 5: put on what goes to a customer, a peer or a route server's client, and left on what has it. */
export function onlyToCustomerOut(otc: number | undefined, role: BgpRole | undefined, localAsn: number): number | undefined {
  return otc ?? (role === 'provider' || role === 'peer' || role === 'rs' ? localAsn : undefined);
}

/** Whether a received route has leaked, section 5: it came up or across although it was only meant for customers. */
export function hasLeaked(otc: number | undefined, role: BgpRole | undefined, peerAsn: number): boolean {
  if (otc === undefined) return false;
  return role === 'provider' || role === 'rs' || (role === 'peer' && otc !== peerAsn);
}
