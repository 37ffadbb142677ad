import type { BridgeChange } from '../../bridge/ports.ts';
import type { CapturedFrame } from '../../garp/announcement.ts';
import type { Clock } from '../io/clock.ts';
import type { Speaker } from '../speaker.ts';
import { isTellingDue } from '../untold.ts';
import type { Input, Note, Output } from '../world.ts';
import type { BgpSockets } from './bgp-sockets.ts';
import type { DataPlane } from './data-plane.ts';
import type { Sources } from './sources.ts';
import type { Words } from './words.ts';

/** From so many frames at once on, UPDATEs share a call of the kernel; after so many frames they go out. */
const shareFrom = 4;
const shareAtMost = 16;
/** So many notes may wait for the end of a burst of frames, and so much that is not even a note yet. */
const unsaidAtMost = 20_000;
const untoldAtMost = 8192;
/** So long the news of forwarding entries may wait for it. */
const newsWaitMs = 50;
/** A burst is over when no more than a few frames were there for so long. Who sends it may be slower than who reads it. */
const quietMs = 2;
/** And so long at most: a flood has no end, but words that wait do. */
const burstMs = 250;

/** Who carries out what the speaker decided. */
export interface Hands {
  readonly sockets: BgpSockets;
  readonly sources: Sources;
  readonly dataPlane: DataPlane;
  readonly words: Words;
  /** A session changed its state. */
  readonly transition: (note: Note, wallMs: number) => void;
  /** Something changed that the state file keeps. */
  readonly unsaved: () => void;
}

/** A turn of the loop: inputs go into the speaker, its outputs to sockets, and what can wait comes after. One alarm for the whole process. */
export class Turn {
  private readonly speaker: Speaker;
  private readonly clock: Clock;
  private readonly hands: Hands;
  /** Inputs that came while one was being worked on; a `dispatch` is never entered twice. */
  private readonly waiting: Input[] = [];
  private working = false;
  /** More frames are about to come in this turn of the loop. */
  private inBatch = false;
  /** Inputs since connections were held, while they are: their UPDATEs go out in one call of the kernel. */
  private held: number | undefined;
  /** A burst of frames goes on: more are here, or likely to be in a moment. `fresh`: some came since this was last looked at. */
  private burst: { readonly sinceMs: number; fresh: boolean } | undefined;
  private sayingDue = false;
  /** News of forwarding entries that wait for the end of a burst of frames, and since when. */
  private readonly news: Input[] = [];
  private newsSinceMs = 0;
  /** When each peer's last byte of this pass was handed to the kernel, monotonic ms. */
  private readonly writtenAt = new Map<string, number>();
  private alarm: NodeJS.Timeout | undefined;
  private alarmAt = Infinity;
  private saying: NodeJS.Timeout | undefined;

  constructor(speaker: Speaker, clock: Clock, hands: Hands) {
    this.speaker = speaker;
    this.clock = clock;
    this.hands = hands;
  }

  /** One frame of a batch. @param left so many are known to come after it */
  frame(frame: CapturedFrame, left: number): void {
    // A new port's first frame can be here before the news of the port: the two come on different sockets.
    const link = this.speaker.world.bridges.links.get(frame.ifindex);
    if (link === undefined || (link.master === undefined && link.kind !== 'bridge')) this.hands.sources.catchUp();
    this.inBatch = true;
    if (left >= shareFrom) {
      if (this.burst === undefined) this.burst = { sinceMs: this.clock.now().monotonicMs, fresh: true };
      else this.burst.fresh = true;
      if (this.held === undefined) this.hold();
    }
    this.pump({ type: 'frame', frame });
    if (this.held !== undefined && ++this.held >= shareAtMost) this.release();
  }

  /** No more frames for now. */
  batchEnd(): void {
    this.release();
    this.afterwards();
  }

  /**
   * The kernel's news of bridges. Those of forwarding entries say where to ask for VMs; each frame of a burst makes one, and speaks for itself,
   * so they come after the frames that are here.
   */
  bridge(change: BridgeChange): void {
    const input: Input = { type: 'bridge', change };
    if ((this.burst === undefined && this.news.length === 0) || (change.type !== 'fdbNews' && change.type !== 'fdbDump')) return this.pump(input);
    const { monotonicMs } = this.clock.now();
    if (this.news.length === 0) this.newsSinceMs = monotonicMs;
    this.news.push(input);
    if (monotonicMs - this.newsSinceMs > newsWaitMs) this.takeNews();
    else this.afterwards();
  }

  private takeNews(): void {
    for (const input of this.news.splice(0)) this.pump(input);
  }

  /** Nearly all of the daemon: one input in, its outputs out, in the same turn of the loop. */
  pump(input: Input): void {
    this.waiting.push(input);
    if (this.working) return;
    this.working = true;
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        this.perform(this.speaker.dispatch(next, this.clock.now()));
        if (this.held === undefined) this.tellWritten();
      }
    } finally {
      this.working = false;
    }
    if (!this.inBatch) this.afterwards();
  }

  /** What an operator's command led to, and what follows from it. */
  carryOut(outputs: readonly Output[]): void {
    this.perform(outputs);
    this.tellWritten();
    this.afterwards();
  }

  /** Bytes for the routers first; words about them after. */
  private perform(outputs: readonly Output[]): void {
    const { sockets, sources, dataPlane, words } = this.hands;
    for (const output of outputs) {
      if (output.type === 'session') this.performSession(output.peer, output.output, sockets);
      else if (output.type === 'sendFrame') sources.sendFrame(output.ifindex, output.bytes);
      else if (output.type === 'mesh') dataPlane.tell(output);
      else if (output.type === 'kernel') dataPlane.apply(output);
      else if (output.type === 'askDelivery') dataPlane.askLater(output.asked);
      else if (output.type === 'askGate') sources.askGate(output.ifindex, output.port);
      else if (output.type === 'history') words.recordLater(output.migration);
      else this.note(output.note);
    }
  }

  private performSession(peer: string, output: Extract<Output, { type: 'session' }>['output'], sockets: BgpSockets): void {
    sockets.perform(peer, output);
    if (output.type === 'write' && isTellingDue(this.speaker.world)) this.writtenAt.set(peer, this.clock.now().monotonicMs);
  }

  private note(note: Note): void {
    const { wallMs } = this.speaker.world.now;
    if (note.event === 'session.transition') this.hands.transition(note, wallMs);
    this.hands.words.later(note, wallMs);
  }

  /** The bytes are with the kernel: the handovers they were for learn when. */
  private tellWritten(): void {
    const { world } = this.speaker;
    if (!isTellingDue(world)) return;
    const later = this.burst !== undefined && world.untold.length < untoldAtMost;
    this.perform(this.speaker.dispatch({ type: 'written', at: this.writtenAt, ...(later ? { framesWait: true } : {}) }, this.clock.now()));
    this.writtenAt.clear();
  }

  /** Many VMs at once: what follows from some frames is one write per router. */
  private hold(): void {
    this.held = 0;
    this.hands.sockets.hold();
  }

  private release(): void {
    if (this.held === undefined) return;
    this.held = undefined;
    this.hands.sockets.release();
    if (this.writtenAt.size > 0) {
      const { monotonicMs } = this.clock.now();
      for (const peer of this.writtenAt.keys()) this.writtenAt.set(peer, monotonicMs);
    }
    this.tellWritten();
  }

  /** What can wait until the frames that are here have been turned into UPDATEs: words, and the alarm. */
  private afterwards(): void {
    this.inBatch = false;
    this.setAlarm();
    if (this.speaker.world.unsaved) {
      this.speaker.world.unsaved = false;
      this.hands.unsaved();
    }
    if (this.sayingDue || (this.hands.words.nothingWaits && this.news.length === 0 && !isTellingDue(this.speaker.world))) return;
    this.sayingDue = true;
    setImmediate(() => this.sayAll());
  }

  /** Words come last: while a burst of frames goes on they wait, up to a limit. */
  private sayAll(): void {
    this.sayingDue = false;
    if (this.burst?.fresh === true && this.hands.words.waiting < unsaidAtMost && this.clock.now().monotonicMs - this.burst.sinceMs < burstMs) {
      this.burst.fresh = false;
      this.sayingDue = true;
      this.saying = setTimeout(() => setImmediate(() => this.sayAll()), quietMs);
      return;
    }
    this.burst = undefined;
    this.takeNews();
    this.tellWritten();
    this.hands.words.sayNow();
  }

  private setAlarm(): void {
    const at = this.speaker.nextDeadline();
    if (at === this.alarmAt && this.alarm !== undefined) return;
    clearTimeout(this.alarm);
    this.alarmAt = at;
    // Socket data that waits is delivered before timers that are due, so a process that was stopped judges its peers by what they sent.
    this.alarm = setTimeout(() => {
      this.alarm = undefined;
      setImmediate(() => this.pump({ type: 'tick' }));
    }, Math.min(Math.max(0, Math.ceil(at - this.clock.now().monotonicMs)), 60_000));
  }

  close(): void {
    clearTimeout(this.alarm);
    clearTimeout(this.saying);
  }
}
