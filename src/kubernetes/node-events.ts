import { printable } from '../../net/printable.ts';
import type { Note } from '../world.ts';

/** An Event on the Node object, as `kubectl describe node` shows it. */
export interface NodeEvent {
  /** One word, CamelCase. */
  readonly reason: string;
  readonly type: 'Normal' | 'Warning';
  /** At most {@link messageLimit} characters. */
  readonly message: string;
}

/** The API refuses messages above 1024 characters. */
const messageLimit = 1000;

/** What a note is worth telling the cluster; undefined for most notes. What a VM or a router chose is escaped. */
export function nodeEventOf({ event, peer = '', fields }: Note): NodeEvent | undefined {
  switch (event) {
    case 'migration.started':
      if (fields['direction'] !== 'in') return undefined;
      return normal('VMArrived', `${vmOf(fields)} runs here: announced ${Math.round(Number(fields['announceSeconds']) * 1e4) / 10} ms after the first sign (${text(fields['seenBy'])}); migration ${text(fields['id'])}`);
    case 'migration.finished':
      if (fields['direction'] === 'out') return normal('VMDeparted', `${vmOf(fields)} left: ${text(fields['result'])}; migration ${text(fields['id'])}`);
      return fields['result'] === 'settled' ? undefined : normal('VMArrivalEnded', `${vmOf(fields)}: ${text(fields['result'])}; migration ${text(fields['id'])}`);
    case 'handover.held': {
      const why = text(fields['why']);
      const reason = why === 'conflict' ? 'AddressConflict' : why === 'flap' ? 'AddressFlaps' : 'AddressHeld';
      return { reason, type: why === 'gate' ? 'Normal' : 'Warning', message: cut(`${text(fields['prefix'])} is held: ${text(fields['text'])}`) };
    }
    case 'hold.ended':
    case 'hold.cleared':
      return normal('AddressReleased', `${text(fields['prefix'] ?? fields['address'])} is held no more`);
    case 'gate.timedOut':
      return warning('GateShut', `${text(fields['prefix'])}: ${text(fields['text'])}`);
    case 'session.transition':
      if (fields['to'] === 'established') return normal('BGPSessionUp', `the session with ${printable(peer)} is established`);
      return fields['from'] === 'established' ? warning('BGPSessionDown', `the session with ${printable(peer)} is down (${text(fields['cause'])})`) : undefined;
    case 'config.refused':
      return warning('ConfigRefused', `the configuration that runs stays: ${text(fields['text'])}`);
    case 'drain.started':
      return normal('Draining', 'the routes of this node\'s VMs are leaving, until landfall undrain');
    case 'drain.ended':
      return normal('Undrained', 'this node announces its VMs again');
    default:
      return undefined;
  }
}

/** What stands for the events that the budget left out. */
export function omittedEvent(count: number): NodeEvent {
  return normal('EventsOmitted', `${count} more event${count === 1 ? '' : 's'} in a short time; landfall show migrations and landfall events have them all`);
}

function vmOf(fields: Note['fields']): string {
  const address = text(fields['address']);
  return fields['vm'] === undefined ? address : `${text(fields['vm'])} (${address})`;
}

function text(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value) ?? '-', 400);
}

function normal(reason: string, message: string): NodeEvent {
  return { reason, type: 'Normal', message: cut(message) };
}

function warning(reason: string, message: string): NodeEvent {
  return { reason, type: 'Warning', message: cut(message) };
}

function cut(message: string): string {
  return printable(message, messageLimit);
}
