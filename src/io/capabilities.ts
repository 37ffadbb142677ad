import { readFileSync } from 'node:fs';

const bits = { CAP_NET_BIND_SERVICE: 10, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_NICE: 23 } as const;

export type CapabilityName = keyof typeof bits;

interface Sets {
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly noNewPrivileges: boolean;
  readonly uid: number;
}

function readSets(): Sets | undefined {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '0';
    return { effective: BigInt(`0x${field('CapEff')}`), bounding: BigInt(`0x${field('CapBnd')}`), noNewPrivileges: field('NoNewPrivs') === '1', uid: Number(field('Uid')) };
  } catch {
    return undefined;
  }
}

/**
 * Why the kernel refused, in the one sentence that says which capability set lacks what, and what cures that case: a pod that was
 * granted NET_RAW for a user other than root has it in its bounding set alone.
 */
export function explainMissing(capability: CapabilityName, sets = readSets()): string {
  if (sets === undefined) return `${capability} is needed`;
  const bit = 1n << BigInt(bits[capability]);
  const effective = (sets.effective & bit) !== 0n;
  const bounding = (sets.bounding & bit) !== 0n;
  const facts = `effective ${effective ? 'has' : 'lacks'} it, bounding ${bounding ? 'has' : 'lacks'} it, NoNewPrivs ${sets.noNewPrivileges ? 1 : 0}, uid ${sets.uid}`;
  const short = capability.slice(4);
  if (effective) return `${capability} is there (${facts}), and the kernel still refused: look for a seccomp profile or an LSM that forbids packet sockets`;
  if (!bounding) return `${capability} is missing from the bounding set (${facts}): systemd: AmbientCapabilities=${capability} and CapabilityBoundingSet=${capability}; Kubernetes: securityContext.capabilities.add: [${short}]`;
  if (sets.uid !== 0 && sets.noNewPrivileges) return `${capability} is only in the bounding set (${facts}): for a user other than root Kubernetes fills no other set, so run the container as uid 0 with drop: [ALL], add: [${short}]; under systemd use AmbientCapabilities=${capability}`;
  return `${capability} is not in the effective set (${facts}): systemd: AmbientCapabilities=${capability}; by hand: run as root, or setpriv --ambient-caps +${short.toLowerCase()} --inh-caps +${short.toLowerCase()}`;
}
