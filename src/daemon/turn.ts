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
/** So many notes may wait for the end of a burst of frames. */
const unsaidAtMost = 20_000;

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
  /** The packet socket had more frames than one turn takes. */
  private moreFrames = false;
  private sayingDue = false;
  /** When each peer's last byte of this pass was handed to the kernel, monotonic ms. */
  private readonly writtenAt = new Map<string, number>();
  private alarm: NodeJS.Timeout | undefined;
  private alarmAt = Infinity;

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
    if (left >= shareFrom) this.moreFrames = true;
    if (left >= shareFrom && this.held === undefined) this.hold();
    this.pump({ type: 'frame', frame });
    if (this.held !== undefined && ++this.held >= shareAtMost) this.release();
  }

  /** No more frames for now. */
  batchEnd(): void {
    this.release();
    this.afterwards();
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
    if (!isTellingDue(this.speaker.world)) return;
    this.perform(this.speaker.dispatch({ type: 'written', at: this.writtenAt }, this.clock.now()));
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
    if (this.sayingDue || this.hands.words.nothingWaits) return;
    this.sayingDue = true;
    setImmediate(() => this.sayAll());
  }

  /** Words come last: while a burst of frames goes on they wait, up to a limit. */
  private sayAll(): void {
    this.sayingDue = false;
    if (this.moreFrames && this.hands.words.waiting < unsaidAtMost) {
      this.moreFrames = false;
      this.afterwards();
      return;
    }
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
  }
}
