import type { IpAddress } from '../../net/ip.ts';
import type { BridgeChange, Link } from '../ports.ts';
import { createLinkTable } from './port-vlans.ts';
import { linkDumps as dumps } from './rtnetlink.ts';
import type { LinkDump, RtnetlinkContent, RtnetlinkMessage } from './rtnetlink.ts';

/** The kernel refused a dump or ended it with an error. */
export class DumpRefused extends Error {
  override name = 'DumpRefused';
}

/** A dump that was interrupted by a change is asked for again this often; then it is taken as it is, for events follow anyway. */
const maxInterrupted = 10;
/** Events that wait for the end of a dump. With more the dump is begun again afterwards, as after an overrun. */
const maxWaiting = 20_000;

export interface Follower {
  /** The messages of one datagram; `port` is that of the socket. @throws DumpRefused */
  take(messages: readonly RtnetlinkMessage[], port: number): void;
  /** Reads all tables anew: at the start, and whenever the caller wants it. */
  restart(): void;
  /** Forgets the dump that runs and the events that wait for it: their socket is gone. */
  reset(): void;
}

/**
 * Turns netlink messages of links and addresses into changes: the dumps one after the other, given out as one `resync`, then events as
 * they come. Events that arrive during the dumps are kept in order and given out after them. An event may then be older than the dump; but
 * whatever changed after it has an event too, so that the last word about each object is the true one. That holds as long as no
 * event was lost: after an overrun the caller opens a new socket and calls `reset` and `restart`.
 */
export function createFollower(options: {
  readonly request: (dump: LinkDump, sequence: number) => void;
  readonly onChange: (change: BridgeChange) => void;
}): Follower {
  /** Links as last told, for events that speak of a part only. */
  const links = createLinkTable();
  let sequence = 0;
  let stage: number | undefined; // index into `dumps`; undefined: no dump runs
  let again = false; // begin anew when the dump that runs has ended
  let interrupted = false;
  let interruptions = 0;
  let waiting: RtnetlinkContent[] = [];
  let found: {
    links: Link[];
    ports: Extract<RtnetlinkContent, { type: 'bridgePort' }>[];
    ownAddresses: { ifindex: number; address: IpAddress }[];
  };

  function ask(next: number): void {
    stage = next;
    interrupted = false;
    sequence = (sequence + 1) >>> 0 || 1;
    options.request(dumps[next] as LinkDump, sequence);
  }

  function begin(): void {
    again = false;
    interruptions = 0;
    waiting = [];
    found = { links: [], ports: [], ownAddresses: [] };
    ask(0);
  }

  /** A part of the table that is asked for. */
  function collect(content: RtnetlinkContent): void {
    if (content.type === 'link') found.links.push(content.link);
    else if (content.type === 'bridgePort') found.ports.push(content);
    else if (content.type === 'ownAddress') found.ownAddresses.push({ ifindex: content.ifindex, address: content.address });
  }

  const placeOf = { links: 'links', vlans: 'ports', addresses: 'ownAddresses' } as const;
  function clearStage(current: number): void {
    found[placeOf[dumps[current] as LinkDump]] = [];
  }

  function endOfDump(errno: number): void {
    const current = stage as number;
    if (errno !== 0) throw new DumpRefused(`the kernel ended the dump of ${dumps[current]} with errno ${errno}`);
    if (again) return begin();
    if (interrupted && interruptions < maxInterrupted) {
      interruptions++;
      clearStage(current);
      return ask(current);
    }
    if (current + 1 < dumps.length) return ask(current + 1);
    stage = undefined;
    const kept = waiting;
    waiting = [];
    links.clear();
    for (const link of found.links) links.takeLink(link);
    for (const port of found.ports) links.takePort(port.ifindex, port.master, port.vlans);
    options.onChange({ type: 'resync', links: links.all(), ownAddresses: found.ownAddresses });
    for (const content of kept) give(content);
  }

  function give(content: RtnetlinkContent): void {
    switch (content.type) {
      case 'link':
        return tell(links.takeLink(content.link));
      case 'bridgePort':
        return tell(links.takePort(content.ifindex, content.master, content.vlans));
      case 'portVlans':
        return tell(links.takeVlans(content.ifindex, content.entries, content.present));
      case 'linkGone':
        links.takeGone(content.ifindex);
        return options.onChange(content);
      case 'ownAddress':
        return options.onChange(content);
      default:
    }
  }

  function tell(changed: readonly Link[]): void {
    for (const link of changed) options.onChange({ type: 'link', link });
  }

  function takeOne({ header, content, interrupted: flag }: RtnetlinkMessage, port: number): void {
    if (content.type === 'overrun') return restart();
    if (header.port === port && header.sequence === sequence && stage !== undefined) {
      interrupted ||= flag;
      if (content.type === 'done' || content.type === 'error') endOfDump(content.errno);
      else collect(content);
    } else if (stage === undefined) {
      give(content);
    } else if (waiting.length < maxWaiting) {
      waiting.push(content);
    } else {
      again = true;
      waiting = [];
    }
  }

  // The kernel runs one dump per socket at a time: a running one is read to its end first.
  function restart(): void {
    if (stage === undefined) begin();
    else again = true;
  }

  return {
    take(messages, port) {
      for (const message of messages) takeOne(message, port);
    },
    restart,
    reset() {
      stage = undefined;
      again = false;
      waiting = [];
    },
  };
}
