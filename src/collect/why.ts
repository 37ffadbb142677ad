import { admit } from '../../identity/admit.ts';
import { holdersOf, learnedOwner } from '../../identity/bindings.ts';
import { routePairOf } from '../../identity/from-routes.ts';
import { portFor } from '../../bridge/locate.ts';
import { hostPrefix, type IpAddress } from '../../net/ip.ts';
import { addressKey } from '../../routes/loc-rib.ts';
import { saidOfHold } from '../chronicle-held.ts';
import { hasGates } from '../gate.ts';
import { peersOf } from '../peers.ts';
import { rulesOf } from '../intake.ts';
import type { WhyItem } from '../views/items.ts';
import { printable } from '../../net/printable.ts';
import { claimPort, isPortAlive, whyNeverAnnounced } from '../watching.ts';
import type { World } from '../world.ts';
import { timeText } from './time.ts';

/** One answer for one address: announced, or why not, with every check and what it found. */
export function collectWhy(world: World, vrf: string, address: IpAddress): WhyItem {
  const checks: WhyItem['checks'] = [];
  const check = (name: string, result: boolean | undefined, text: string): boolean => {
    checks.push({ check: name, result: result === undefined ? 'unknown' : result ? 'ok' : 'fail', text });
    return result === true;
  };
  const h = world.locRib.handovers.get(addressKey(vrf, address));
  const prefix = hostPrefix(address);

  const barred = whyNeverAnnounced(world, vrf, address);
  const inside = check('prefixes', barred !== 'outside watch.prefixes', barred === 'outside watch.prefixes' ? barred : 'inside watch.prefixes');
  const excluded = inside ? barred : undefined;
  const free = check('exclude', excluded === undefined, excluded ?? 'not excluded');
  const holders = holdersOf(world.bindings, vrf, address);
  const learned = learnedOwner(world.bindings, vrf, address);
  const told = routePairOf(world.bindings.routes, vrf, address);
  const mac = h?.endpoint?.mac ?? holders[0]?.mac ?? learned?.mac ?? told?.mac;
  const bound = check('binding', holders.length > 0 || learned !== undefined || told !== undefined || (world.config.identity.mode === 'learn' ? undefined : false),
    holders.length > 0 ? `bound to ${holders.map((b) => `${printable(b.vm)} (${b.mac})`).join(', ')}`
      : learned !== undefined ? `learned for ${learned.mac} in VLAN ${learned.vlan}`
      : told !== undefined ? `the route of node ${told.node} gives it to ${told.mac}`
      : world.config.identity.mode === 'learn' ? 'not bound; the first MAC that announces it is learned' : 'no binding, and identity.mode is strict');
  const place = mac === undefined ? undefined : portFor(world.bridges, world.watches, mac, undefined);
  check('port', h?.endpoint !== undefined ? isPortAlive(world, h.endpoint.ifindex) : place === undefined ? undefined : place.role === 'local',
    h?.endpoint !== undefined ? `last heard behind ${portText(world, h.endpoint.ifindex)}`
      : place === undefined ? 'no bridge knows where its MAC is' : `the bridge sees its MAC behind ${printable(place.port.name)} (${place.role})`);
  if (mac !== undefined && place !== undefined) {
    const watch = world.watches[place.watch];
    if (watch !== undefined) {
      const { verdict, reason } = admit(rulesOf(world, watch), { kind: 'garp', mac, vlan: place.vlan, vrf, role: place.role, port: claimPort(world, place.port), address }, address);
      check('identity', verdict === 'accepted', reason);
    }
  }
  if (hasGates(world)) {
    const gate = h?.endpoint === undefined ? undefined : world.gates.get(h.endpoint.ifindex);
    check('gate', gate?.open, gate === undefined ? 'the policy gate has not been asked: no port is known' : `${gate.open ? 'open' : 'shut'}: ${printable(gate.text, 200)}`);
  }
  if (h?.hold !== undefined) check('hold', false, printable(saidOfHold(world, h), 400));
  if (world.drain !== undefined) check('drain', false, `this node is drained since ${timeText(world.drain.since.wallMs)}: ${world.drain.withdrawn ? 'it announces nothing' : 'its routes are leaving'} until landfall undrain`);
  for (const ignored of [...world.ignored.values()].filter((i) => i.address === address).slice(-3)) {
    check('ignored', false, `${ignored.verdict}: ${printable(ignored.reason, 200)} (${ignored.kind} from ${printable(ignored.port ?? '-')}, ${ignored.count} times)`);
  }
  const peers = peersOf(world, vrf);
  for (const peer of peers) {
    const sent = peer.adjOut.sent.has(prefix);
    const rival = peer.adjIn.routes.get(prefix);
    check(`peer ${peer.config.name}`, sent, sent ? 'sent'
      : peer.session.fsm !== 'Established' ? `session is ${peer.session.fsm.toLowerCase()}`
      : h?.gone.has(peer.config.name) === true ? 'withdrawn: this peer shows a newer claim'
      : peer.adjOut.overLimit.has(prefix) ? 'held back by maxPrefixes' : 'nothing to send');
    if (rival !== undefined && rival.kind !== 'own') {
      check(`rival at ${peer.config.name}`, undefined, `${rival.kind}${rival.leaving ? ', leaving' : ''}: node ${rival.marks.node ?? '-'}, sequence ${rival.marks.sequence ?? '-'}, next hop ${rival.route.attributes.nextHop}`);
    }
  }
  const announced = peers.some((peer) => peer.adjOut.sent.has(prefix));
  return { address, vrf, announced, answer: answerOf(announced), checks };

  function answerOf(isAnnounced: boolean): string {
    if (h?.hold !== undefined) return `${prefix} is held${isAnnounced ? ', and announced' : ', and not announced'}: ${printable(saidOfHold(world, h), 400)}.${h.hold.why === 'gate' ? '' : ` Lift it with: landfall clear ${address}`}`;
    if (h !== undefined && isAnnounced && world.drain !== undefined) return `${prefix} is announced as leaving: this node is drained. End that with: landfall undrain`;
    if (h !== undefined && isAnnounced) return `${prefix} is announced as ${h.state} (${h.source}).`;
    if (!inside) return `${prefix} is not announced: it is outside watch.prefixes.`;
    if (!free) return `${prefix} is not announced: it is ${excluded}.`;
    if (h?.state === 'manual' && h.manual?.mode === 'withdraw') return `${prefix} is not announced: an operator withdrew it.`;
    if (!bound && holders.length === 0 && world.config.identity.mode === 'strict') return `${prefix} is not announced: no binding names it, and identity.mode is strict.`;
    if (h === undefined || (h.state === 'withdrawn' && h.sequence === 0)) return `${prefix} is not announced: this node has heard no evidence that its VM runs here.`;
    if (h.state === 'withdrawn') return `${prefix} is not announced: withdrawn (${h.source}).`;
    if (world.drain !== undefined) return `${prefix} is not announced: this node is drained. End that with: landfall undrain`;
    return `${prefix} is ${h.state}, but no peer has it: no session is established, or none can carry it.`;
  }
}

function portText(world: World, ifindex: number): string {
  const link = world.bridges.links.get(ifindex);
  return link === undefined ? 'a port that is gone' : `${printable(link.name)}${isPortAlive(world, ifindex) ? '' : ', which has no carrier'}`;
}
