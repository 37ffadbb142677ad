import { hostPrefix } from '../../net/ip.ts';
import { saidOfHold } from '../chronicle-held.ts';
import { fabricFindings } from '../fabric.ts';
import { identifierTwins } from '../identifier-twins.ts';
import type { World } from '../world.ts';
import { atMost, fail, ok, warn, type Finding } from './finding.ts';
import { saysWhetherReflected } from './upstream.ts';

/** Sessions younger than this need not have shown anything, in milliseconds. */
const settledAfterMs = 30_000;

/** Another node with our BGP Identifier: routers and nodes take the two for one. */
export function checkIdentifiers(world: World): Finding[] {
  return identifierTwins(world).map(({ peer, nextHop, prefix }) =>
    fail('identifier', `${peer} shows ${prefix} with our BGP Identifier ${world.routerId} and next hop ${nextHop}, and we never sent it: another node has the same identifier`,
      `leave bgp.routerId out (each node then takes its own address), or give the node at ${nextHop} another one`));
}

/** What each router shows of the claims: without it nobody here knows when a handover is over. */
export function checkReflected(world: World): Finding[] {
  const skipped = saysWhetherReflected(world.config);
  if (skipped !== undefined) return [skipped];
  return [...world.peers.values()].flatMap(({ config, session, adjIn, adjOut, fabric, ibgp }): Finding[] => {
    if (session.negotiated === undefined) return [];
    if (fabric.reflectsOwn || fabric.showsRivals || fabric.hidesLosers || adjIn.routes.size > 0) return [ok('reflected', `${config.name} shows what it has of VM prefixes (${adjIn.routes.size} now)`)];
    if (adjOut.sent.size === 0 || world.now.wallMs - session.sinceMs < settledAfterMs) return [];
    return [warn('reflected', `${config.name} has shown no node's claim to us: handover times at this router cannot be measured, and a rival behind it is not seen`,
      ibgp ? 'make the nodes route-reflector clients there; with one node alone this is as it must be' : 'let it send VM prefixes back (NX-OS disable-peer-as-check, Junos advertise-peer-as); with one node alone this is as it must be')];
  });
}

/** What the sessions have shown against the chosen profiles. */
export function checkFabric(world: World): Finding[] {
  return atMost(fabricFindings(world).map(({ text, fix }) => warn('fabric', text, fix)), (count) => warn('fabric', `${count} more; landfall status has them all`), 30);
}

/** Limits on prefixes, ours and those of the tables. */
export function checkLimits(world: World): Finding[] {
  return [...world.peers.values()].flatMap(({ config, adjIn, adjOut }): Finding[] => {
    const { maxPrefixes: most, name } = config;
    const raise = `raise the router's maximum-prefix, then bgp.peers[${name}].maxPrefixes`;
    return [
      ...(adjOut.overLimit.size > 0 ? [fail('prefixes', `${name}: ${adjOut.overLimit.size} prefixes are held back by maxPrefixes (${most})`, raise)]
        : most !== undefined && adjOut.sent.size >= 0.8 * most ? [warn('prefixes', `${name}: ${adjOut.sent.size} prefixes sent, 80 % of maxPrefixes (${most}) reached`, raise)] : []),
      ...(adjIn.refused > 0 ? [warn('prefixes', `${name}: ${adjIn.refused} received routes were beyond the limit and not kept`, 'let the router send VM prefixes only, then reset the session')] : []),
    ];
  });
}

/** Routes that find no next hop. */
export function checkNextHops(world: World): Finding[] {
  return [...world.peers.values()].flatMap(({ config, noNextHop, session }) => [...noNextHop].filter((family) => session.negotiated?.families.includes(family as never) === true)
    .map((family) => fail('nexthop', `${config.name}: ${family} routes have no next hop and are not sent`, `set bgp.nextHop.${family.slice(0, 4)}`)));
}

/** Sequences that nobody can have reached, on routes that stand now. */
export function checkFutures(world: World): Finding[] {
  const found = [...world.peers.values()].flatMap(({ config, adjIn }) => [...adjIn.routes].filter(([, { kind }]) => kind === 'future').map(([prefix, { marks }]) =>
    fail('future', `${config.name}: ${prefix} has sequence ${marks.sequence}, more than a day ahead of our clock (node ${marks.node ?? '-'}): not obeyed, but routers may prefer it`, `set that node's clock, then there: landfall clear ${prefix}`)));
  if (found.length === 0 && world.counters.futures > 0) return [warn('future', `${world.counters.futures} routes with a sequence more than a day ahead of our clock came, and are gone`, 'look for a node whose clock is wrong')];
  return atMost(found, (count) => fail('future', `${count} more such routes`));
}

/** Addresses that wait for somebody's decision. */
export function checkHeld(world: World): Finding[] {
  const held = [...world.locRib.handovers.values()].filter((h) => h.hold !== undefined && !(h.hold.why === 'gate' && h.hold.untilMs !== undefined));
  return atMost(held.map((h) => warn('held', `${hostPrefix(h.address)} is held: ${saidOfHold(world, h)}`, h.hold?.why === 'gate' ? 'see gate.checks' : `landfall clear ${h.address}`)),
    (count) => warn('held', `${count} more addresses are held`, 'landfall show prefixes --state held'));
}

/** An operator's overrides stand until somebody remembers them. */
export function checkManual(world: World): Finding[] {
  const manual = [...world.locRib.handovers.values()].filter(({ state }) => state === 'manual');
  return atMost(manual.map((h) => warn('manual', `${hostPrefix(h.address)} is ${h.manual?.mode === 'announce' ? 'announced' : 'withdrawn'} by hand: its VM decides nothing`, `landfall auto ${h.address}`)),
    (count) => warn('manual', `${count} more are`, 'landfall show prefixes --state manual'));
}
