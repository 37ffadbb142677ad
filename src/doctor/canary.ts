import type { BindingItem, PeerItem, PrefixItem, ReceivedItem } from '../views/items.ts';

/** What is known of a test address: on this node, and at each router. */
export interface CanaryFacts {
  readonly prefix: string;
  readonly bindings: readonly BindingItem[];
  readonly prefixes: readonly PrefixItem[];
  readonly received: readonly ReceivedItem[];
}

/**
 * Why the address may not serve as a canary; `undefined` where it may. Another node's canary is told by what it lacks: a manual
 * announcement names no MAC, a VM's does.
 */
export function whyNoCanary({ prefix, bindings, prefixes, received }: CanaryFacts): string | undefined {
  const address = prefix.slice(0, prefix.lastIndexOf('/'));
  const bound = bindings.find(({ ips }) => ips.includes(address));
  if (bound !== undefined) return `it belongs to ${bound.vm ?? bound.mac} (${bound.origin})`;
  const here = prefixes.find((item) => item.prefix === prefix);
  if (here !== undefined && here.state !== 'withdrawn') return `it is ${here.state} on this node`;
  const foreign = received.find((item) => item.prefix === prefix && item.kind !== 'own' && (item.mac !== undefined || item.sequence === undefined || item.node === undefined || item.kind === 'future'));
  if (foreign !== undefined) return `${foreign.peer} shows a route to it that is no canary (next hop ${foreign.nextHop}${foreign.mac === undefined ? '' : `, MAC ${foreign.mac}`})`;
  return undefined;
}

/** What one router has shown of the canary so far. */
export interface CanaryView {
  readonly peer: string;
  readonly result: 'waiting' | 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** It was seen which of two claims wins, or that none can. */
  readonly isDecided: boolean;
}

export interface CanaryMoment {
  readonly prefix: string;
  /** Our claim's sequence. */
  readonly sequence: number;
  /** Since it was announced. */
  readonly seconds: number;
  readonly peer: PeerItem;
  /** Was it sent to this router? */
  readonly sent: boolean;
  readonly received: readonly ReceivedItem[];
  /** The sequence of another node's canary that this router showed before ours, or since. */
  readonly rivalSeen?: number;
}

/** A router that shows the older claim for so long prefers it. */
const settleSeconds = 5;

/** What one router shows now, in words. */
export function judgeCanary({ prefix, sequence, seconds, peer, sent, received, rivalSeen }: CanaryMoment): CanaryView {
  const say = (result: CanaryView['result'], text: string, isDecided = result === 'ok' || result === 'fail'): CanaryView => ({ peer: peer.name, result, text, isDecided });
  const after = `${seconds.toFixed(1)} s`;
  if (peer.state !== 'established') return say('fail', `session is ${peer.state}: nothing can be sent there`);
  if (!sent) return say('fail', 'the route is not sent (landfall show why, landfall status say why)');
  const shown = received.find((item) => item.prefix === prefix && item.peer === peer.name);
  const theirs = shown?.kind.startsWith('rival') === true ? shown.sequence ?? 0 : undefined;
  if (theirs !== undefined && theirs > sequence) return say('ok', `shows the newer canary of ${shown?.node} (sequence ${theirs}, ours ${sequence}): the newer claim wins`);
  if (theirs !== undefined) {
    return seconds < settleSeconds ? say('waiting', `still shows the older canary of ${shown?.node} (${after})`)
      : say('fail', `after ${after} it still prefers the older canary of ${shown?.node} (sequence ${theirs}, ours ${sequence}): a VM that moves here would stay unreachable; see landfall doctor, landfall tor-config ${peer.name}`);
  }
  if (rivalSeen !== undefined && rivalSeen < sequence) return say('ok', `no longer shows the older canary (sequence ${rivalSeen}): ours, the newer one, wins (${after})`);
  if (shown?.kind === 'own' && shown.sequence === sequence) return say('ok', `shows our canary back (${after}); run the same on another node to see which claim wins`, false);
  return say('waiting', 'has it, and shows nothing back: it can\'t be seen from here whether it uses it; run the same on another node meanwhile');
}
