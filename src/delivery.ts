import type { GatewayInterface } from '../forward/plan.ts';
import { familyOf, hostPrefix, type IpAddress } from '../net/ip.ts';
import { printable } from '../net/printable.ts';
import { addLine, type Migration } from '../routes/migrations.ts';
import { addressKey } from '../routes/loc-rib.ts';
import type { DeliveryAnswer, DeliveryQuestion } from './delivery-contract.ts';
import { rewriteOf } from './doctor/source-rewriting.ts';
import { gatewayOf, watchOf } from './gateways.ts';
import type { Watch } from './watch.ts';
import { note, type World } from './world.ts';

// A right route at the router is half of the way: what it sends here has to leave by the VM's bridge. The kernel is asked after the UPDATE
// is out. A claim that can't be delivered stands all the same, for the VM is here; it is warned about.

/** Of claims whose UPDATEs are out. */
export function askDelivery(world: World, claims: readonly Migration[]): void {
  if (world.dryRun) return;
  const asked = claims.flatMap(({ vrf, address }): DeliveryQuestion[] => {
    const watch = watchOf(world, vrf, address, world.locRib.handovers.get(addressKey(vrf, address)));
    const gateway = watch === undefined ? undefined : gatewayOf(world, watch);
    // Another VRF's table is not the one that is asked.
    return gateway === undefined || vrf !== 'default' ? [] : [{ vrf, address, ifindex: gateway.ifindex }];
  });
  if (asked.length > 0) world.outputs.push({ type: 'askDelivery', asked });
}

/** The kernel's answers go into the timelines; a claim that can't be delivered is said aloud. */
export function takeDelivery(world: World, answers: readonly DeliveryAnswer[]): void {
  for (const { vrf, address, outgoing, neighbour } of answers) {
    const key = addressKey(vrf, address);
    const m = world.migrations.open.get(key);
    const watch = watchOf(world, vrf, address, world.locRib.handovers.get(addressKey(vrf, address)));
    const gateway = watch === undefined ? undefined : gatewayOf(world, watch);
    if (m?.direction !== 'in' || m.announcedAtMs === undefined || watch === undefined || gateway === undefined) continue;
    const why = whyUndeliverable(world, watch, gateway, address, outgoing);
    m.deliverable = why === undefined;
    if (why === undefined) {
      const maybe = rewriteOf(world.forwarding.rewrites, address, false);
      addLine(m, world.now, 'deliverable', `by ${printable(gateway.ifname)}; ${neighbour ? 'neighbour entry there' : 'no neighbour entry yet, so the first packet waits for one'}${maybe === undefined ? '' : `; a rule may rewrite its source: ${printable(maybe, 120)}`}`);
    } else {
      addLine(m, world.now, 'undeliverable', why);
      note(world, { level: 'warn', room: 'routes', event: 'claim.undeliverable', publish: 'migration', fields: { id: m.id, prefix: hostPrefix(address), vrf, text: why, ...(m.vm === undefined ? {} : { vm: m.vm }) } });
    }
    world.outputs.push({ type: 'history', migration: m });
  }
}

/** What stands between the router's packets and the VM; `undefined`: nothing that is known. */
export function whyUndeliverable(world: World, watch: Watch, gateway: GatewayInterface, address: IpAddress, outgoing: number | undefined): string | undefined {
  const name = outgoing === undefined ? undefined : world.bridges.links.get(outgoing)?.name;
  // A VLAN's interface on the bridge is named after it, by custom if not by law.
  if (outgoing !== gateway.ifindex && (name === undefined || !name.startsWith(`${watch.bridge}.`))) {
    return `this node's own table ${name === undefined ? `has no ${familyOf(address).slice(0, 4)} route to it` : `sends it to ${printable(name)}`}, not to ${printable(watch.bridge)}`;
  }
  const rule = rewriteOf(world.forwarding.rewrites, address, true);
  return rule === undefined ? undefined : `a rule of the firewall rewrites its source, and its connections break when it moves: ${printable(rule, 160)}`;
}
