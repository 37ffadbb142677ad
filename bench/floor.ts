import { asn } from '../src/demo/addresses.ts';
import { Daemon } from '../src/demo/processes.ts';
import type { Stage } from './stage.ts';
import { compile, nodes } from './stage.ts';

/** Starts bench/floor.c on its node. */
export function startFloor(stage: Stage): Daemon {
  const { torAddress, address } = nodes.floor;
  const command = [compile(stage, 'floor'), '--peer', torAddress, '--port', '179', '--asn', String(asn.nodes), '--id', address, '--next-hop', address, '--frames-from', 'tap0'];
  return new Daemon('floor', stage.namespaces.exec('floor', command));
}
