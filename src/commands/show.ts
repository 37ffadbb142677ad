import { printable } from '../../net/printable.ts';
import { bindingsView } from '../views/bindings.ts';
import { ignoredView } from '../views/ignored.ts';
import type { ListReply, PeerItem } from '../views/items.ts';
import { migrationsView, migrationView } from '../views/migrations.ts';
import { peersView } from '../views/peers.ts';
import { prefixesView } from '../views/prefixes.ts';
import { receivedView } from '../views/received.ts';
import type { View } from '../views/view.ts';
import { whyView } from '../views/why.ts';
import { ask, printReply, repeat } from './ask.ts';
import { print, say, status, type GlobalOptions } from './global.ts';

type Query = Readonly<Record<string, string | number | undefined>>;

function show<Item, Row>(options: GlobalOptions, path: string, view: View<Item, Row>, query: Query = {}): Promise<number> {
  return repeat(options, async () => {
    await printReply(options, (await ask(options, path, query)) as ListReply<Item>, view);
    return 0;
  });
}

/** `show peers [NAME]`: with a name it fails unless that session is established. */
export function showPeers(options: GlobalOptions, name: string | undefined): Promise<number> {
  if (name === undefined) return show(options, '/v1/peers', peersView);
  return repeat(options, async () => {
    const reply = (await ask(options, `/v1/peers/${encodeURIComponent(name)}`)) as ListReply<PeerItem>;
    await printReply(options, reply, peersView);
    const down = reply.items.filter(({ state }) => state !== 'established');
    for (const peer of down) say(options, `landfall: the session with ${peer.name} is ${peer.state}, not established`);
    return down.length === 0 ? 0 : status.failed;
  });
}

export interface PrefixesOptions {
  readonly peer?: string;
  readonly state?: string;
  readonly vm?: string;
}

/** `show prefixes [PREFIX]`: with a prefix it fails when there is no such one. */
export function showPrefixes(options: GlobalOptions, prefix: string | undefined, filter: PrefixesOptions): Promise<number> {
  return repeat(options, async () => {
    const reply = (await ask(options, '/v1/prefixes', { prefix, peer: filter.peer, state: filter.state, vm: filter.vm })) as ListReply<never>;
    await printReply(options, reply, prefixesView);
    sayNoVm(options, reply, filter.vm);
    return prefix !== undefined && reply.items.length === 0 ? status.failed : 0;
  });
}

/** `show received [PREFIX]` */
export function showReceived(options: GlobalOptions, prefix: string | undefined, peer: string | undefined): Promise<number> {
  return show(options, '/v1/received', receivedView, { prefix, peer });
}

/** `show migrations` */
export function showMigrations(options: GlobalOptions, sinceMs: number | undefined, vm: string | undefined): Promise<number> {
  return repeat(options, async () => {
    const reply = (await ask(options, '/v1/migrations', { sinceSeconds: toSeconds(sinceMs), vm })) as ListReply<never>;
    await printReply(options, reply, migrationsView);
    sayNoVm(options, reply, vm);
    return 0;
  });
}

/** `show migration ID` */
export function showMigration(options: GlobalOptions, id: string): Promise<number> {
  return show(options, `/v1/migrations/${encodeURIComponent(id)}`, migrationView);
}

/** `show bindings` */
export function showBindings(options: GlobalOptions): Promise<number> {
  return show(options, '/v1/bindings', bindingsView);
}

/** `show ignored` */
export function showIgnored(options: GlobalOptions, sinceMs: number | undefined): Promise<number> {
  return show(options, '/v1/ignored', ignoredView, { sinceSeconds: toSeconds(sinceMs) });
}

/** `show config`: the effective configuration. It has no table, so that format prints YAML. */
export function showConfig(options: GlobalOptions): Promise<number> {
  return repeat(options, async () => {
    const reply = await ask(options, '/v1/config');
    if (options.output === 'table' || options.output === 'wide') {
      const { toYaml } = await import('../../config/yaml-text.ts');
      print(toYaml(reply.items[0]));
    } else {
      await printReply(options, reply, { none: 'no configuration', name: () => 'config', columns: [] });
    }
    return 0;
  });
}

/** `show why IP` */
export function showWhy(options: GlobalOptions, address: string): Promise<number> {
  return show(options, `/v1/why/${encodeURIComponent(address)}`, whyView);
}

/** A name that nothing is known of is no failure: VMs come and go. */
function sayNoVm(options: GlobalOptions, { items }: ListReply<never>, vm: string | undefined): void {
  if (vm !== undefined && items.length === 0) say(options, `of a VM ${printable(vm)} nothing is known here (VMs come and go, so this is no failure; show bindings has the names)`);
}

function toSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
