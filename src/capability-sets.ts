const bits = { CAP_NET_BIND_SERVICE: 10, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_NICE: 23 } as const;

export type CapabilityName = keyof typeof bits;

/** The capability sets of a process, as masks in hex (`/proc/self/status`): they travel as JSON. */
export interface CapabilitySets {
  readonly effective: string;
  readonly bounding: string;
  readonly noNewPrivileges: boolean;
  readonly uid: number;
}

/** Reads the text of `/proc/<pid>/status`. */
export function parseCapabilitySets(status: string): CapabilitySets {
  const field = (name: string): string => new RegExp(`^${name}:\\s*([0-9a-fA-F]{1,16})`, 'm').exec(status)?.[1] ?? '0';
  return { effective: field('CapEff'), bounding: field('CapBnd'), noNewPrivileges: field('NoNewPrivs') === '1', uid: Number(/^Uid:\s*(\d+)/m.exec(status)?.[1] ?? 0) };
}

/** Is it in the effective set? */
export function has(sets: CapabilitySets, capability: CapabilityName): boolean {
  return contains(sets.effective, capability);
}

function contains(mask: string, capability: CapabilityName): boolean {
  return (BigInt(`0x${mask}`) & (1n << BigInt(bits[capability]))) !== 0n;
}

/**
 * Why the kernel refused, in the one sentence that says which capability set lacks what, and what cures that case: a pod that was
 * granted NET_RAW for a user other than root has it in its bounding set alone.
 */
export function explainMissing(capability: CapabilityName, sets: CapabilitySets): string {
  const effective = has(sets, capability);
  const bounding = contains(sets.bounding, capability);
  const facts = `effective ${effective ? 'has' : 'lacks'} it, bounding ${bounding ? 'has' : 'lacks'} it, NoNewPrivs ${sets.noNewPrivileges ? 1 : 0}, uid ${sets.uid}`;
  const short = capability.slice(4);
  if (effective) return `${capability} is there (${facts}), and the kernel still refused: look for a seccomp profile or an LSM that forbids packet sockets`;
  if (!bounding) return `${capability} is missing from the bounding set (${facts}): systemd: AmbientCapabilities=${capability} and CapabilityBoundingSet=${capability}; Kubernetes: securityContext.capabilities.add: [${short}]`;
  if (sets.uid !== 0 && sets.noNewPrivileges) return `${capability} is only in the bounding set (${facts}): for a user other than root Kubernetes fills no other set, so run the container as uid 0 with drop: [ALL], add: [${short}]; under systemd use AmbientCapabilities=${capability}`;
  return `${capability} is not in the effective set (${facts}): systemd: AmbientCapabilities=${capability}; by hand: run as root, or setpriv --ambient-caps +${short.toLowerCase()} --inh-caps +${short.toLowerCase()}`;
}
