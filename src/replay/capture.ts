import { roleOf } from '../../bridge/ports.ts';
import type { Config } from '../../config/config.ts';
import type { CapturedFrame } from '../../garp/announcement.ts';
import { passesCaptureFilter } from '../../garp/wire/capture-filter.ts';
import { type CapturedPacket, linkTypes } from '../../garp/wire/captured-packet.ts';
import { ethernetFrame } from '../decode/frame.ts';
import { openLink } from '../decode/link.ts';
import type { Entry } from './account.ts';
import { Stage, type Sent } from './stage.ts';

/** What a replay found. */
export interface Replayed {
  readonly entries: readonly Entry[];
  readonly sent: readonly Sent[];
  /** Frames that the capture of a node would have handed on. */
  readonly frames: number;
  /** The wall time of the first of them; undefined where there is none. */
  readonly firstWallMs: number | undefined;
}

/** Frames beyond that are not replayed: every line is kept until the end. */
export const mostFrames = 200_000;

/** Takes the packets of a capture one after the other. */
export class CaptureReplay {
  private readonly config: Config;
  private readonly defaultPort: string;
  private stage: Stage | undefined;
  private frames = 0;
  private firstWallMs: number | undefined;

  /** @param defaultPort where frames come in of which the file does not say it. */
  constructor(config: Config, defaultPort: string) {
    this.config = config;
    this.defaultPort = defaultPort;
  }

  /** @returns false once there are too many. */
  take(packet: CapturedPacket): boolean {
    const frame = liveFrame(packet);
    if (frame === undefined) return true;
    if (this.frames >= mostFrames) return false;
    this.frames += 1;
    this.firstWallMs ??= packet.timestampMs;
    this.stage ??= new Stage(this.config, packet.timestampMs, this.defaultPort);
    this.stage.frame(packet.number, packet.timestampMs, this.portOf(packet), frame);
    return true;
  }

  finish(): Replayed {
    this.stage?.finish();
    return { entries: this.stage?.entries ?? [], sent: this.stage?.sent ?? [], frames: this.frames, firstWallMs: this.firstWallMs };
  }

  /** The interface of the packet where the configuration knows it as a port; a capture on the bridge or inside a guest says nothing of ports. */
  private portOf({ interfaceName }: CapturedPacket): string {
    if (interfaceName === undefined) return this.defaultPort;
    const listed = this.config.watch.some(({ bridge, ports }) => roleOf({ bridge, ...ports }, interfaceName) !== 'unlisted');
    return listed ? interfaceName : this.defaultPort;
  }
}

/** The port for frames of which the file says none: the first local pattern, made a name. */
export function defaultPortOf(config: Config): string {
  const pattern = config.watch[0]?.ports.local[0] ?? 'vnet*';
  return pattern.replace(/\[[^\]]*\]|[*?]/g, '0');
}

/** The frame as the live capture hands it on: the outermost tag beside the bytes. `undefined` for what its filter drops. */
function liveFrame(packet: CapturedPacket): Pick<CapturedFrame, 'bytes' | 'tag'> | undefined {
  if (isOutgoing(packet)) return undefined;
  const link = openLink(packet);
  if (typeof link === 'string' || link.source === undefined) return undefined;
  const [outer, ...inner] = link.tags;
  const inside = ethernetFrame(link);
  const bytes = inner.length === 0 ? inside : withTags(inside, inner);
  if (!passesCaptureFilter(bytes)) return undefined;
  return outer === undefined ? { bytes } : { bytes, tag: outer };
}

function withTags(frame: Uint8Array, tags: readonly { readonly tpid: number; readonly tci: number }[]): Uint8Array {
  const words = tags.flatMap(({ tpid, tci }) => [tpid >>> 8, tpid & 0xff, tci >>> 8, tci & 0xff]);
  return Uint8Array.from([...frame.subarray(0, 12), ...words, ...frame.subarray(12)]);
}

/** A cooked capture has what the host sent, too. */
function isOutgoing({ linkType, bytes }: CapturedPacket): boolean {
  const outgoing = 4;
  return (linkType === linkTypes.sll && bytes[1] === outgoing) || (linkType === linkTypes.sll2 && bytes[10] === outgoing);
}

/** `would send: 1 announce now, 1 change to normal at +90.000 s` */
export function summaryText(sent: readonly Sent[]): string {
  const groups = new Map<string, number>();
  for (const { change, state, during, offsetSeconds } of sent) {
    const what = change === 'change' ? `change to ${state}` : change;
    const group = `${what}|${during ? 'now' : `at +${offsetSeconds.toFixed(3)} s`}`;
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  const parts = [...groups].map(([group, count]) => {
    const [what, when] = group.split('|') as [string, string];
    return `${count} ${count === 1 ? what : plural(what)} ${when}`;
  });
  return `would send: ${parts.length === 0 ? 'nothing' : parts.join(', ')}`;
}

function plural(what: string): string {
  return what.startsWith('change') ? what.replace('change', 'changes') : `${what}s`;
}
