import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, findProgram, waitFor } from '../../src/demo/processes.ts';
import { cells, hostPrefix, nodeAsns, routerAsn, routerId, theirs } from './interop-cells.ts';
import type { InteropRouter, Place } from './interop-place.ts';

/** ExaBGP dials: it listens to whole addresses only. It has no table, so what it says in its JSON is added up. */
export function exabgp({ namespaces, namespace, folder }: Place): InteropRouter {
  const said = join(folder, 'said.jsonl');
  const neighbors = cells.map((cell) => `neighbor ${cell.node} {
  router-id ${routerId};
  local-address ${cell.router};
  local-as ${routerAsn};
  peer-as ${nodeAsns[cell.mode]};
  hold-time 9;${cell.key === undefined ? '' : `
  md5-password "${cell.key}";`}
  capability { graceful-restart 60; route-refresh enable;${cell.transport === 'v4-over-v6' ? ' nexthop enable;' : ''} }
  family { ${cell.family.replace('-', ' ')};${cell.transport === 'v4-over-v6' ? ' ipv6 unicast;' : ''} }${cell.transport === 'v4-over-v6' ? `
  nexthop { ipv4 unicast ipv6; }` : ''}
  api { processes [ watch ]; neighbor-changes; receive { parsed; update; } }
  static { route ${hostPrefix(theirs[cell.family])} next-hop ${cell.router}; }
}
`);
  /** Sessions that are up, with what each has said since. */
  const state = (): Map<string, Set<string>> => {
    const up = new Map<string, Set<string>>();
    for (const line of existsSync(said) ? readFileSync(said, 'utf8').split('\n') : []) {
      if (!line.endsWith('}')) continue;
      const { type, neighbor } = JSON.parse(line) as { type: string; neighbor?: ExaNeighbor };
      const address = neighbor?.address.peer ?? '';
      if (type === 'state' && neighbor?.state === 'up') up.set(address, new Set());
      else if (type === 'state' && neighbor?.state === 'down') up.delete(address);
      const { announce = {}, withdraw = {} } = neighbor?.message?.update ?? {};
      for (const hops of Object.values(announce)) for (const routes of Object.values(hops)) if (Array.isArray(routes)) for (const { nlri } of routes) up.get(address)?.add(nlri);
      for (const routes of Object.values(withdraw)) if (Array.isArray(routes)) for (const { nlri } of routes) up.get(address)?.delete(nlri);
    }
    return up;
  };
  return {
    async start() {
      const script = join(folder, 'watch');
      writeFileSync(script, `#!/bin/sh\nexec cat 3>&1 >> ${said}\n`);
      chmodSync(script, 0o755);
      writeFileSync(join(folder, 'exabgp.conf'), `process watch { run ${script}; encoder json; }\n${neighbors.join('')}`);
      const env = { 'exabgp.daemon.user': 'root', 'exabgp.daemon.drop': 'false', 'exabgp.api.cli': 'false', 'exabgp.api.ack': 'false', 'exabgp.log.level': 'INFO' };
      const daemon = new Daemon('exabgp', namespaces.exec(namespace, [findProgram('exabgp') as string, join(folder, 'exabgp.conf')]), { log: join(folder, 'exabgp.log'), env });
      await waitFor('exabgp runs', 20_000, () => {
        if (!daemon.alive) throw new Error(`exabgp ended: ${daemon.tail}`);
        return existsSync(said);
      }, 200);
    },
    established: () => Promise.resolve(new Set(state().keys())),
    received: () => Promise.resolve(new Set([...state()].flatMap(([address, prefixes]) => [...prefixes].map((prefix) => `${address} ${prefix}`)))),
    bfdUp: () => Promise.resolve(new Set()),
  };
}

interface ExaNeighbor {
  readonly address: { readonly peer: string };
  readonly state?: string;
  readonly message?: { readonly update?: {
    readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly { readonly nlri: string }[]>>>>;
    readonly withdraw?: Readonly<Record<string, readonly { readonly nlri: string }[]>>;
  } };
}
