import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { families } from '../../net/ip.ts';
import type { Namespaces } from '../../src/demo/namespaces.ts';
import { Daemon, landfallCommand, run, waitFor } from '../../src/demo/processes.ts';
import { createRouter, type Neighbor, type RouterKind } from '../netns/session-router.ts';
import { addressOf, address6Of, speakerAsn, speakerIdentifier, type Mode } from './case.ts';

export type SpeakerKind = RouterKind | 'landfall';

/** A speaker under test, in namespace `router`. */
export interface Speaker {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Whether it runs and answers questions. */
  lives(): Promise<boolean>;
  /** Its table; see `Observed.table`. */
  prefixes(): Promise<readonly string[]>;
  readonly table: 'adj-rib-in' | 'loc-rib';
}

export const programsOf: Record<SpeakerKind, readonly string[]> = { frr: ['zebra', 'bgpd', 'vtysh'], bird: ['bird', 'birdc'], gobgp: ['gobgpd', 'gobgp'], landfall: [] };

/** A speaker that waits for the hostile peers of these slots. */
export function createSpeaker(kind: SpeakerKind, namespaces: Namespaces, folder: string, mode: Mode, slots: readonly number[]): Speaker {
  const asn = mode === 'ibgp' ? speakerAsn : 65010;
  if (kind === 'landfall') return new LandfallSpeaker(namespaces, folder, asn, slots);
  const router = createRouter(kind, namespaces, 'router', folder, slots.map((slot): Neighbor => (
    { address: addressOf(slot), localAddress: speakerIdentifier, asn, passive: true, ttlSecurity: false, families })));
  return {
    table: 'loc-rib',
    start: () => router.start(),
    stop: () => router.stop('SIGKILL'),
    lives: async () => await runsIn(namespaces, processOf[kind]) && await router.established().then(() => true, () => false),
    prefixes: () => router.prefixes(),
  };
}

const processOf: Record<RouterKind, string> = { frr: 'bgpd', bird: 'bird', gobgp: 'gobgpd' };

/** Whether a program of this name runs in namespace `router`: its tools answer without it, too, and say that there are no routes. */
async function runsIn(namespaces: Namespaces, program: string): Promise<boolean> {
  const { stdout } = await run(['ip', 'netns', 'pids', namespaces.name('router')]);
  return stdout.split('\n').filter((pid) => pid !== '').some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === program;
    } catch {
      return false; // it has just ended
    }
  });
}

class LandfallSpeaker implements Speaker {
  readonly table = 'adj-rib-in';
  readonly #namespaces: Namespaces;
  readonly #folder: string;
  readonly #config: string;
  #daemon: Daemon | undefined;

  constructor(namespaces: Namespaces, folder: string, asn: number, slots: readonly number[]) {
    this.#namespaces = namespaces;
    this.#folder = folder;
    this.#config = `apiVersion: landfall/v1
node: {name: hostile}
bgp:
  asn: ${speakerAsn}
  routerId: ${speakerIdentifier}
  listen: {enabled: true}
  nextHop: {ipv4: ${speakerIdentifier}, ipv6: "2001:db8::1"}
  timers: {connectRetry: 120s}
  peers:
${slots.map((slot) => `    - {name: p${slot}, address: ${addressOf(slot)}, asn: ${asn}, sourceAddress: ${speakerIdentifier}, routes: {profile: ${asn === speakerAsn ? 'sequence' : 'window'}}}\n`).join('')}watch:
  - bridge: br0
    ports: {local: ["tap*"], uplink: [eth0]}
    prefixes: [10.77.0.0/16, "2001:db8:77::/48"]
identity: {mode: learn}
api: {socket: ${join(folder, 'landfall.sock')}}
log: {level: warn, format: json}
`;
  }

  async start(): Promise<void> {
    const file = join(this.#folder, 'landfall.yaml');
    writeFileSync(file, this.#config);
    this.#daemon = new Daemon('landfall', this.#namespaces.exec('router', [...landfallCommand(), 'run', '-c', file]), { log: join(this.#folder, 'landfall.log') });
    await waitFor('landfall answers', 20_000, async () => {
      if (this.#daemon?.alive === false) throw new Error(`landfall ended: ${this.#daemon.tail}`);
      return await this.lives();
    });
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop('SIGKILL');
  }

  #ask(...words: string[]): ReturnType<typeof run> {
    return run(this.#namespaces.exec('router', [...landfallCommand(), '-s', join(this.#folder, 'landfall.sock'), ...words]));
  }

  async lives(): Promise<boolean> {
    return this.#daemon?.alive === true && (await this.#ask('show', 'peers', '-o', 'json')).status === 0;
  }

  async prefixes(): Promise<readonly string[]> {
    const { stdout } = await this.#ask('show', 'received', '-o', 'json');
    return (JSON.parse(stdout) as { items: { prefix: string }[] }).items.map(({ prefix }) => prefix);
  }
}

export const hostAddresses = (slots: readonly number[]): string[] => slots.flatMap((slot) => [
  `address add ${addressOf(slot)}/24 dev eth0`, `address add ${address6Of(slot)}/64 dev eth0 nodad`]);
