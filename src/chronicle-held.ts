import { hostPrefix } from '../net/ip.ts';
import type { Handover, HandoverEvent } from '../routes/handover.ts';
import { addLine, type Migration } from '../routes/migrations.ts';
import { note, type World } from './world.ts';

/** Why an address is held, and what is done about it, as one sentence for timelines, warnings and `show why`. */
export function saidOfHold(world: World, h: Handover): string {
  const { hold } = h;
  if (hold === undefined) return 'not held';
  if (hold.why === 'gate') {
    const gate = hold.evidence === undefined ? undefined : world.gates.get(hold.evidence.endpoint.ifindex);
    return `the policy gate of its port is shut (${gate?.text ?? 'not asked yet'})${hold.untilMs === undefined ? '; gate.timeout is over and onTimeout is closed: it waits on' : ''}`;
  }
  const { moves, withinMs } = world.config.migration.flap;
  const what = hold.why === 'flap' ? `it moved ${h.episode?.moves.length ?? moves} times within ${withinMs / 1000} s, and both nodes show life`
    : 'the VM answers here while another node claims it again and again';
  const side = hold.standsIn ? 'another node had it before, but claims it no more: this node does meanwhile' : hold.level === 'elevated' ? 'this node stands by its claim' : 'another node had it before, so this node does not claim it';
  return `${what}: ${side}${hold.untilMs === undefined ? ', until landfall clear' : ''}`;
}

/** Holds that begin, change and end: the alarm, and the lines of the timeline. */
export function chronicleHeld(world: World, open: Migration | undefined, before: Handover, after: Handover, event: HandoverEvent): void {
  const { now } = world;
  const prefix = hostPrefix(after.address);
  if (after.hold !== undefined && before.hold === undefined) {
    const { why, level } = after.hold;
    note(world, {
      level: why === 'gate' ? 'info' : 'warn', room: 'routes', event: 'handover.held', publish: 'migration',
      fields: { prefix, vrf: after.vrf, why, announced: level !== undefined, text: saidOfHold(world, after) },
    });
  } else if (after.hold === undefined && before.hold !== undefined && before.hold.why !== 'gate') {
    note(world, {
      level: 'info', room: 'routes', event: 'hold.ended', publish: 'migration', fields: { prefix, vrf: after.vrf, why: before.hold.why, cause: event.type },
    });
    if (open !== undefined) addLine(open, now, 'released', event.type === 'OperatorClears' ? 'cleared by the operator' : event.type === 'HoldEnds' ? 'the hold is over' : 'the hold is void');
  }
  if (event.type !== 'GateTimer_Expires') return;
  const { onTimeout, timeoutMs } = world.config.gate;
  note(world, {
    level: 'warn', room: 'routes', event: 'gate.timedOut', publish: 'migration', fields: { prefix, vrf: after.vrf, onTimeout, text: `the policy gate is still shut after ${timeoutMs} ms` },
  });
  if (onTimeout === 'closed' && open !== undefined) addLine(open, now, 'held', saidOfHold(world, after));
}
