import { parseAnnouncement, type CapturedFrame } from '../../garp/announcement.ts';
import { printable } from '../../net/printable.ts';
import type { Now } from '../../net/time.ts';
import type { Note, Output, World } from '../world.ts';

/** What the speaker made of one input: a line of `replay`. */
export interface Entry {
  /** `frame`, or what else made it decide: `timer`, `bridge`, `session`, `operator`. */
  readonly what: string;
  /** The number of the frame in its file. */
  readonly frame?: number;
  readonly offsetSeconds: number;
  readonly kind: string;
  readonly mac?: string;
  readonly vlan?: number;
  readonly address?: string;
  /** For ignored: the addresses that the frame would have meant. */
  readonly addresses?: readonly string[];
  readonly port?: string;
  /** announce, change, leaving, withdraw, accepted, or ignored. */
  readonly decision: string;
  readonly prefix?: string;
  readonly state?: string;
  /** For ignored: a word of the verdicts. */
  readonly verdict?: string;
  readonly reason?: string;
}

/** A decision of the speaker in a form that two runs can be compared by; `undefined` for a note that is none. */
export function decisionText(note: Note): string | undefined {
  if (note.event !== 'handover.transition') return undefined;
  const { prefix, vrf, from, to, source, sequence } = note.fields;
  return `${String(vrf)} ${String(prefix)} ${String(from)} to ${String(to)} (${String(source)}, sequence ${String(sequence)})`;
}

interface Decision {
  readonly decision: string;
  readonly prefix: string;
  readonly state: string;
  readonly reason: string;
}

/** The transitions among what a call of the speaker gave back. */
export function transitionsOf(outputs: readonly Output[]): Decision[] {
  return outputs.flatMap((output) => {
    if (output.type !== 'note' || output.note.event !== 'handover.transition') return [];
    const { prefix, to, vm, source, cause } = output.note.fields as Record<string, string | undefined>;
    const decision = to === 'withdrawn' ? 'withdraw' : to === 'leaving' ? 'leaving' : to === 'normal' ? 'change' : 'announce';
    const reason = decision !== 'announce' ? (source ?? cause ?? '') : source === 'manual' ? 'by hand' : vm === undefined ? 'learned' : `binding ${vm}`;
    return [{ decision, prefix: prefix ?? '', state: to ?? '', reason: printable(reason, 100) }];
  });
}

/** The lines of one frame. @param sent prefixes of which an UPDATE told something new in the same pass. */
export function accountFrame(
  world: World, frame: CapturedFrame, now: Now, outputs: readonly Output[], number: number | undefined, offsetSeconds: number, sent: ReadonlySet<string>,
): Entry[] {
  const said = parseAnnouncement(frame);
  const link = world.bridges.links.get(frame.ifindex);
  const base = {
    what: 'frame', ...(number === undefined ? {} : { frame: number }), offsetSeconds, kind: said.kind, ...(said.mac === undefined ? {} : { mac: said.mac }),
    ...(said.vlan === undefined ? {} : { vlan: said.vlan }), ...(said.address === undefined ? {} : { address: said.address }), port: printable(link?.name ?? `ifindex ${frame.ifindex}`),
  };
  const decided = transitionsOf(outputs).map((decision) => ({ ...base, ...decision }));
  const refused = refusalsOf(world, now).map((refusal) => ({ ...base, decision: 'ignored', ...refusal }));
  if (decided.length + refused.length > 0) return [...decided, ...refused];
  const again = [...sent].map((prefix) => ({ ...base, decision: 'announce', prefix, state: stateOf(world, prefix), reason: 'again' }));
  if (again.length > 0) return again;
  return link === undefined ? [] : [{ ...base, decision: 'accepted', reason: 'says nothing new' }];
}

/** What was refused in this pass: once for each reason, however many addresses it was refused for. */
function refusalsOf(world: World, now: Now): { readonly verdict: string; readonly reason: string; readonly addresses?: readonly string[] }[] {
  const found = new Map<string, { readonly verdict: string; readonly reason: string; readonly addresses: string[] }>();
  for (const { at, verdict, reason, address } of world.ignored.values()) {
    if (at !== now) continue;
    const text = verdict === 'repeat' ? `repeat within ${world.config.migration.debounceMs} ms` : printable(reason, 200);
    const refusal = found.get(`${verdict} ${text}`) ?? { verdict, reason: text, addresses: [] };
    found.set(`${verdict} ${text}`, refusal);
    if (address !== undefined) refusal.addresses.push(address);
  }
  return [...found.values()].map(({ addresses, ...rest }) => (addresses.length === 0 ? rest : { ...rest, addresses }));
}

/** The lines of an input that is no frame: its transitions. */
export function accountOther(what: string, outputs: readonly Output[], offsetSeconds: number): Entry[] {
  return transitionsOf(outputs).map((decision) => ({ what, offsetSeconds, kind: '-', ...decision }));
}

function stateOf(world: World, prefix: string): string {
  for (const [key, h] of world.locRib.handovers) if (key.endsWith(`|${prefix}`)) return h.state;
  return '';
}

/** `frame 14  +0.000 s  rarp 52:54:00:aa:00:01 vnet4  announce 203.0.113.11/32 elevated (binding shop/web-1)` */
export function entryText(entry: Entry): string {
  const head = entry.frame === undefined ? entry.what : `frame ${entry.frame}`;
  const subject = entry.address !== undefined && entry.kind !== 'rarp' ? entry.address : entry.mac ?? '-';
  const decision = entry.decision === 'ignored' ? `ignored: ${entry.reason}`
    : entry.decision === 'accepted' ? `accepted: ${entry.reason}`
    : `${[entry.decision, entry.prefix, ...(entry.decision === 'announce' || entry.decision === 'change' ? [entry.state] : [])].join(' ')} (${entry.reason})`;
  return `${head.padEnd(8)}  +${entry.offsetSeconds.toFixed(3)} s  ${entry.kind.padEnd(4)} ${subject.padEnd(17)} ${(entry.port ?? '-').padEnd(6)} ${decision}`;
}
