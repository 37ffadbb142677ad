import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeName } from '../../src/demo/addresses.ts';
import { hostPrefix } from '../../src/demo/addresses.ts';
import { torPort } from '../../src/demo/kernel-routes.ts';
import type { LandfallNode } from '../../src/demo/node.ts';
import { must, sleep, waitFor, wallMs } from '../../src/demo/processes.ts';
import { nodeNamespace } from '../../src/demo/topology.ts';
import type { StatusItem } from '../../src/views/items.ts';
import type { Lab } from './lab.ts';

// What the scenarios of faults have in common: a daemon that stands still, what it holds in memory, when routers followed.

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Notes the most memory that a process has from now on, until it is asked. */
export function watchMemory(pid: number): { now(): number; peak(): number } {
  let peak = residentMiB(pid);
  const timer = setInterval(() => {
    try {
      peak = Math.max(peak, residentMiB(pid));
    } catch {
      clearInterval(timer); // it has ended
    }
  }, 100);
  return {
    now: () => residentMiB(pid),
    peak() {
      clearInterval(timer);
      return Math.max(peak, residentMiB(pid));
    },
  };
}

/** The least of many readings over so long: what a process holds, without what its collector has not got to. */
export async function leastMemory(pid: number, forMs: number): Promise<number> {
  let least = residentMiB(pid);
  for (const until = performance.now() + forMs; performance.now() < until; await sleep(100)) least = Math.min(least, residentMiB(pid));
  return least;
}

/** Stops the daemon for so long; `during` begins with the standstill, and may end after it. */
export async function standStill(node: LandfallNode, forMs: number, during: () => Promise<unknown> = async () => undefined): Promise<number> {
  node.signal('SIGSTOP');
  const doing = during();
  await sleep(forMs);
  node.signal('SIGCONT');
  const goesOn = wallMs();
  await doing;
  return goesOn;
}

/** The log of a node's daemon, over all its lives. */
export function logOf(lab: Lab, node: NodeName): string {
  return readFileSync(join(lab.nodes[node].folder, 'landfall.log'), 'utf8');
}

export async function statusOf(node: LandfallNode): Promise<StatusItem> {
  const { stdout, stderr } = await node.cli(['status', '-o', 'json']);
  try {
    return (JSON.parse(stdout) as { items: [StatusItem] }).items[0];
  } catch {
    assert.fail(`landfall status: ${stderr}${stdout}`);
  }
}

/** How long after `from` the router's kernel first sent both prefixes of the first VM to a node, in milliseconds. */
export async function followed(lab: Lab, node: NodeName, from: number, timeoutMs = 10_000): Promise<number> {
  const watch = lab.watches[0];
  const ofVm = [hostPrefix(lab.vm.ipv4), hostPrefix(lab.vm.ipv6)];
  const found = await waitFor(`routes to node ${node}`, timeoutMs, () => {
    const events = ofVm.map((prefix) => watch?.firstVia(prefix, torPort(node), from));
    return events.every((event) => event !== undefined) ? events : undefined;
  }, 20);
  return Math.max(...found.map(({ at }) => at)) - from;
}

/** Every route that the router's kernel had for the first VM through a node since `from`. */
export function routedTo(lab: Lab, node: NodeName, from: number): string[] {
  const ofVm: string[] = [hostPrefix(lab.vm.ipv4), hostPrefix(lab.vm.ipv6)];
  return (lab.watches[0]?.events ?? []).filter((event) => event.at >= from && !event.deleted && event.device === torPort(node) && ofVm.includes(event.prefix)).map(({ prefix }) => prefix);
}

/** How often a session of the node with each router came up. */
export function timesEstablished(lab: Lab, node: NodeName): number {
  return logOf(lab, node).match(/"to":"established"/g)?.length ?? 0;
}

/** Lines for `ip -batch` inside a node. */
export async function batchInNode(lab: Lab, node: NodeName, lines: readonly string[], timeoutMs = 30_000): Promise<void> {
  await must(['ip', '-n', lab.topology.namespaces.name(nodeNamespace(node)), '-batch', '-'], { input: `${lines.join('\n')}\n`, timeoutMs });
}

export function report(text: string): void {
  process.stdout.write(`      ${text}\n`);
}
