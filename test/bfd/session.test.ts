import assert from 'node:assert/strict';
import { bfdDeadline, createBfdSession, detectionTimeMs, sendIntervalMs, stepBfd, type BfdInput, type BfdOptions, type BfdSession } from '../../bfd/session.ts';
import type { ControlPacket } from '../../bfd/wire/control-packet.ts';

const options: BfdOptions = { discriminator: 7, minTxMs: 300, minRxMs: 200, multiplier: 3 };
const half = (): number => 0.5;

/** One session on a clock of its own. */
class Bench {
  session: BfdSession;
  now = 0;
  sent: { at: number; packet: ControlPacket }[] = [];
  states: string[] = [];
  constructor(own: BfdOptions = options) {
    this.session = createBfdSession(own, 0);
  }
  give(input: BfdInput): void {
    const { session, outputs } = stepBfd(this.session, input, this.now, half);
    this.session = session;
    for (const output of outputs) {
      if (output.type === 'send') this.sent.push({ at: this.now, packet: output.packet });
      else this.states.push(`${output.from} ${output.to}`);
    }
  }
  hear(change: Partial<ControlPacket> = {}): void {
    this.give({ type: 'packet', packet: {
      diagnostic: 0, state: 'Down', poll: false, final: false, controlPlaneIndependent: false, demand: false, detectMultiplier: 4, myDiscriminator: 99,
      yourDiscriminator: 7, desiredMinTxUs: 500_000, requiredMinRxUs: 100_000, requiredMinEchoRxUs: 0, ...change,
    } });
  }
  /** Runs its deadlines up to a time. */
  runTo(ms: number): void {
    for (let at = bfdDeadline(this.session); at !== undefined && at <= ms; at = bfdDeadline(this.session)) {
      this.now = Math.max(this.now, at);
      this.give({ type: 'tick' });
    }
    this.now = ms;
  }
  up(): void {
    this.hear({ state: 'Down' });
    this.hear({ state: 'Up', final: false });
    assert.equal(this.session.state, 'Up');
    this.sent = [];
  }
}

/** Two sessions that hear each other, with a link that may be cut. */
class Pair {
  readonly a: Bench;
  readonly b: Bench;
  cut = false;
  constructor(a: BfdOptions, b: BfdOptions) {
    [this.a, this.b] = [new Bench(a), new Bench(b)];
  }
  runTo(ms: number): void {
    for (;;) {
      for (const [from, to] of [[this.a, this.b], [this.b, this.a]] as const) {
        for (const { packet } of from.sent.splice(0)) if (!this.cut) to.give({ type: 'packet', packet });
      }
      if (this.a.sent.length + this.b.sent.length > 0) continue;
      const next = Math.min(bfdDeadline(this.a.session) ?? Infinity, bfdDeadline(this.b.session) ?? Infinity);
      const now = Math.max(this.a.now, Math.min(next, ms));
      this.a.now = this.b.now = now;
      if (next > ms) return;
      this.a.give({ type: 'tick' });
      this.b.give({ type: 'tick' });
    }
  }
}

describe('a BFD session', () => {
  it('begins at one packet a second, with jitter, whatever is configured (section 6.8.3)', () => {
    const bench = new Bench();
    bench.runTo(5000);
    assert.deepEqual(bench.sent.map(({ at }) => at), [0, 875, 1750, 2625, 3500, 4375]);
    assert.ok(bench.sent.every(({ packet }) => packet.desiredMinTxUs === 1_000_000 && packet.state === 'Down' && packet.yourDiscriminator === 0 && packet.controlPlaneIndependent));
  });

  it('comes up by Down, Init, Up, and then polls for its real interval', () => {
    const bench = new Bench();
    bench.runTo(10);
    bench.sent = [];
    bench.hear({ state: 'Down' });
    bench.hear({ state: 'Init' });
    assert.deepEqual(bench.states, ['Down Init', 'Init Up']);
    assert.deepEqual(bench.sent.map(({ packet }) => [packet.state, packet.poll, packet.desiredMinTxUs, packet.yourDiscriminator]), [['Init', false, 1_000_000, 99], ['Up', true, 300_000, 99]]);
    bench.runTo(800);
    assert.ok(bench.sent.slice(2).every(({ packet }) => packet.poll), 'polls until it is answered');
    bench.hear({ state: 'Up', final: true });
    bench.sent = [];
    bench.runTo(1700);
    assert.ok(bench.sent.length > 2 && bench.sent.every(({ packet }) => !packet.poll));
  });

  it('answers a Poll at once, with F and without P, also while it polls', () => {
    const bench = new Bench();
    bench.up();
    bench.hear({ state: 'Up', poll: true });
    assert.deepEqual(bench.sent.map(({ packet }) => [packet.poll, packet.final]), [[false, true]]);
    assert.equal(bench.session.polling, true);
  });

  it('sends as slowly as the slower side wants, and within 75 to 100 % of that (section 6.8.7)', () => {
    const bench = new Bench();
    bench.up();
    bench.hear({ state: 'Up', requiredMinRxUs: 700_000, final: true });
    assert.equal(sendIntervalMs(bench.session), 700);
    bench.hear({ state: 'Up', requiredMinRxUs: 10_000 });
    assert.equal(sendIntervalMs(bench.session), 300);
    for (const [random, multiplier, share] of [[0, 3, 0.75], [0.999, 3, 1], [0.999, 1, 0.9]] as const) {
      let session = createBfdSession({ ...options, multiplier }, 0);
      session = stepBfd(session, { type: 'tick' }, 0, () => random).session;
      assert.ok(Math.abs((session.sendAtMs ?? 0) - 1000 * share) < 1, `${session.sendAtMs}`);
    }
  });

  it('is down after the Detection Time: the neighbor\'s multiplier times the slower interval (section 6.8.4)', () => {
    const bench = new Bench();
    bench.up();
    assert.equal(detectionTimeMs(bench.session), 2000);
    bench.runTo(1999);
    assert.equal(bench.session.state, 'Up');
    bench.runTo(2000);
    assert.equal(bench.session.state, 'Down');
    assert.equal(bench.session.diagnostic, 1);
    const last = bench.sent.at(-1);
    assert.deepEqual([last?.at, last?.packet.state, last?.packet.diagnostic, last?.packet.yourDiscriminator, last?.packet.desiredMinTxUs], [2000, 'Down', 1, 0, 1_000_000]);
  });

  it('lives by what came before a late tick: a process that was held up is no dead neighbor', () => {
    const bench = new Bench();
    bench.up();
    bench.now = 2500;
    bench.hear({ state: 'Up' });
    bench.give({ type: 'tick' });
    assert.equal(bench.session.state, 'Up');
  });

  for (const state of ['Down', 'AdminDown'] as const) {
    it(`is down when the neighbor says ${state}`, () => {
      const bench = new Bench();
      bench.up();
      bench.hear({ state });
      assert.deepEqual([bench.session.state, bench.session.diagnostic, bench.session.remoteState], ['Down', 3, state]);
    });
  }

  it('keeps silent where the neighbor wants no packets, or has it in Demand mode; but answers its Poll', () => {
    for (const change of [{ requiredMinRxUs: 0 }, { demand: true }] as const) {
      const bench = new Bench();
      bench.up();
      bench.hear({ state: 'Up', final: true, ...change });
      bench.sent = [];
      bench.runTo(1500);
      assert.deepEqual(bench.sent, [], JSON.stringify(change));
      bench.hear({ state: 'Up', poll: true, ...change });
      assert.equal(bench.sent.length, 1);
    }
  });

  it('polls for a change, and uses the more careful of old and new until it is confirmed (section 6.8.3)', () => {
    const bench = new Bench();
    bench.up();
    bench.hear({ state: 'Up', final: true });
    bench.give({ type: 'change', options: { ...options, minTxMs: 900, minRxMs: 50 } });
    assert.deepEqual([bench.session.polling, sendIntervalMs(bench.session), bench.session.usedMinRxMs], [true, 300, 200]);
    bench.hear({ state: 'Up', final: true });
    assert.deepEqual([bench.session.polling, sendIntervalMs(bench.session), bench.session.usedMinRxMs], [false, 900, 50]);
  });

  it('says AdminDown when it is disabled, hears nothing more, and begins anew', () => {
    const bench = new Bench();
    bench.up();
    bench.give({ type: 'disable' });
    assert.deepEqual([bench.sent.at(-1)?.packet.state, bench.sent.at(-1)?.packet.diagnostic], ['AdminDown', 7]);
    bench.hear({ state: 'Up' });
    assert.equal(bench.session.state, 'AdminDown');
    bench.give({ type: 'enable' });
    assert.equal(bench.session.state, 'Down');
  });
});

describe('two BFD sessions', () => {
  const pair = (): Pair => new Pair({ discriminator: 7, minTxMs: 100, minRxMs: 100, multiplier: 3 }, { discriminator: 8, minTxMs: 250, minRxMs: 50, multiplier: 5 });
  it('come up with each other within two seconds, and end their polls', () => {
    const two = pair();
    two.runTo(2000);
    for (const { session } of [two.a, two.b]) assert.deepEqual([session.state, session.remoteState, session.polling], ['Up', 'Up', false]);
    assert.deepEqual([detectionTimeMs(two.a.session), detectionTimeMs(two.b.session)], [1250, 300]);
  });

  it('find a cut within their Detection Times, and each other again after it', () => {
    const two = pair();
    two.runTo(2000);
    two.cut = true;
    two.runTo(2300);
    assert.equal(two.b.session.state, 'Down');
    two.runTo(3250);
    assert.equal(two.a.session.state, 'Down');
    two.cut = false;
    two.runTo(6000);
    assert.deepEqual([two.a.session.state, two.b.session.state], ['Up', 'Up']);
    assert.deepEqual(two.a.states, ['Down Init', 'Init Up', 'Up Down', 'Down Init', 'Init Up'].slice(0, two.a.states.length));
  });

  it('stay up for an hour', () => {
    const two = pair();
    two.runTo(2000);
    two.runTo(3_600_000);
    assert.equal(two.a.states.filter((change) => change.startsWith('Up')).length + two.b.states.filter((change) => change.startsWith('Up')).length, 0);
  }).timeout(20_000);
});
