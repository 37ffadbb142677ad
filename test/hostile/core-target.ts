import { routesOf } from '../../bgp/pack-updates.ts';
import { createSession, stepSession, type SessionInput, type SessionState } from '../../bgp/session.ts';
import { Framer } from '../../bgp/wire/framer.ts';
import { ip, type Prefix } from '../../net/ip.ts';
import { beginRefresh, confirmRoute, endRefresh, type Refreshes } from '../../src/refresh.ts';
import { goodUpdates, keepalive, openMessage, prefixOf, speakerAsn, speakerIdentifier, usualCapabilities, type Case, type Facts, type RouteName } from './case.ts';
import type { Observed } from './judge.ts';
import { hex } from '../bgp/wire/build.ts';

const connection = 1;

/** The session core as the speaker under test: no socket, no clock but the one of the test. */
class Core {
  readonly table = new Set<Prefix>();
  readonly #refreshes: Refreshes = new Map();
  #state: SessionState;
  #framer = new Framer(65535);
  notification: Observed['notification'];
  closed = false;
  established = false;
  #nowMs = 1_000_000;

  constructor({ asn }: Facts) {
    this.#state = createSession({
      peer: 'hostile', localAsn: speakerAsn, peerAsn: asn, bgpIdentifier: ip(speakerIdentifier), families: ['ipv4-unicast', 'ipv6-unicast'],
      holdSeconds: 9, keepaliveSeconds: 3, connectRetrySeconds: 5, passive: true,
    });
    this.#step({ type: 'start' });
    this.#step({ type: 'accepted', connection, localAddress: ip(speakerIdentifier) });
  }

  hear(bytes: Uint8Array): void {
    if (!this.closed) this.#step({ type: 'data', connection, bytes });
    this.#nowMs += 1;
  }

  lose(): void {
    this.#step({ type: 'closed', connection, error: 'ECONNRESET' });
  }

  #step(input: SessionInput): void {
    const { state, outputs } = stepSession(this.#state, input, { monotonicMs: this.#nowMs, wallMs: this.#nowMs, wallTrusted: true }, () => 0.5, () => 99);
    this.#state = state;
    for (const output of outputs) {
      switch (output.type) {
        case 'write':
          this.#read(output.bytes);
          break;
        case 'close':
          this.closed = true;
          break;
        case 'established':
          this.established = true;
          break;
        case 'down':
          this.table.clear();
          break;
        case 'update':
          for (const change of routesOf(output.update)) {
            if (change.type === 'withdraw') this.table.delete(change.prefix);
            else {
              this.table.add(change.route.prefix);
              confirmRoute(this.#refreshes, change.route.prefix);
            }
          }
          break;
        case 'refreshBegins':
          beginRefresh(this.#refreshes, output.family, this.table);
          break;
        case 'refreshEnds':
          for (const prefix of endRefresh(this.#refreshes, output.family)) this.table.delete(prefix);
          break;
        default:
          break;
      }
    }
  }

  #read(bytes: Uint8Array): void {
    const { framer, messages } = this.#framer.feed(bytes);
    this.#framer = framer;
    for (const message of messages) {
      if (message[18] === 3) this.notification = { code: message[19] as number, subcode: message[20] as number, data: hex(message.slice(21)) };
    }
  }
}

/** Runs a case against the session core. */
export function runOnCore(one: Case, facts: Facts): Observed {
  const core = new Core(facts);
  const open = openMessage(facts, one.capabilities?.(facts) ?? usualCapabilities(facts));
  if (one.stage !== 'connected') core.hear(open);
  if (one.stage === 'established') {
    core.hear(keepalive);
    for (const bytes of goodUpdates(facts, ...(one.base ?? ['4:1', '6:1']))) core.hear(bytes);
  }
  for (const bytes of one.send(facts)) core.hear(bytes);
  if (one.hangUp !== undefined) core.lose();
  else if (one.stage === 'connected' && one.expect.some(({ type }) => type === 'up')) core.hear(keepalive);
  if (one.hangUp === undefined && core.established) for (const bytes of goodUpdates(facts, '4:9')) core.hear(bytes);
  const names: RouteName[] = (['4', '6'] as const).flatMap((family) => [1, 2, 3, 5, 9].map((n): RouteName => `${family}:${n}`));
  return {
    established: core.established, closed: core.closed, table: 'adj-rib-in',
    routes: new Set(names.filter((name) => core.table.has(prefixOf(name, facts.slot) as Prefix))),
    ...(core.notification === undefined ? {} : { notification: core.notification }),
  };
}

