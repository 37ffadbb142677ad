import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from './processes.ts';
import { BirdTor } from './tor-bird.ts';
import { EmbeddedTor } from './tor-embedded.ts';
import { FrrTor } from './tor-frr.ts';
import type { Peering, Tor, TorKind } from './tor.ts';
import { planTor } from './tor.ts';
import type { Topology } from './topology.ts';

/** A router of `kind`, not started yet; its files go to a folder of its own below `folder`. `config`: other than the usual (FRR and BIRD). */
export function createTor(kind: TorKind, topology: Topology, index: number, peering: Peering, folder: string, config?: string): Tor {
  const plan = planTor(topology, index, peering);
  const own = join(folder, `${plan.namespace}-${kind}`);
  mkdirSync(own, { recursive: true });
  if (kind === 'frr') return new FrrTor(topology.namespaces, plan, own, config);
  if (kind === 'bird') return new BirdTor(topology.namespaces, plan, own, config);
  return new EmbeddedTor(topology.namespaces, plan, own);
}

/** True when the programs of a router are on this machine. */
export function isInstalled(kind: TorKind): boolean {
  if (kind === 'embedded') return true;
  const needed = kind === 'frr' ? ['zebra', 'bgpd', 'vtysh'] : ['bird', 'birdc'];
  return needed.every((program) => findProgram(program) !== undefined);
}
