import { type IpAddress, prefixContains } from '../../net/ip.ts';
import type { Draft, DraftBinding, DraftWatch } from '../schema.ts';
import type { Path } from '../tree.ts';
import type { Report } from './report.ts';

/** A binding and where it stands: in the configuration or in the bindings file. */
export interface PlacedBinding {
  readonly binding: DraftBinding;
  readonly path: Path;
  readonly report: Report;
  /** How messages call it. */
  readonly name: string;
}

/**
 * One address has one owner unless it is shared, one MAC one binding in a VLAN; both are errors, for nobody could say which was meant. A
 * binding outside the watched prefixes is a warning: one file may serve nodes that watch different networks. `shared` undefined: it is not
 * known which addresses are shared.
 */
export function checkBindings(bindings: readonly PlacedBinding[], watches: readonly DraftWatch[] | undefined, shared: ReadonlySet<IpAddress> | undefined): void {
  const owners = new Map<string, PlacedBinding>();
  const macs = new Map<string, PlacedBinding[]>();
  for (const placed of bindings) {
    const { binding, path, report } = placed;
    const same = macs.get(`${binding.mac} ${binding.vrf}`) ?? [];
    const twin = same.find((other) => other.binding.vlan === undefined || binding.vlan === undefined || other.binding.vlan === binding.vlan);
    if (twin !== undefined) report.error([...path, 'mac'], `${binding.mac} already is ${twin.binding.vm}${binding.vlan === undefined ? '' : ` in VLAN ${binding.vlan}`} (${twin.name}); list all its addresses there`);
    macs.set(`${binding.mac} ${binding.vrf}`, [...same, placed]);
    for (const [index, address] of binding.ips.entries()) {
      const owner = owners.get(`${address} ${binding.vrf}`);
      if (owner === placed) report.warn([...path, 'ips', index], `${address} stands here twice`);
      else if (owner !== undefined && shared?.has(address) === false) {
        report.error([...path, 'ips', index], `${address} already is ${owner.binding.vm}'s (${owner.name}); an address has one owner in a VRF, unless it is in identity.shared`);
      }
      else owners.set(`${address} ${binding.vrf}`, placed);
    }
  }
  if (watches !== undefined) warnOfUnwatched(bindings, watches);
}

/** Bindings that can never lead to a route here; the first few by name, the others by number. */
function warnOfUnwatched(bindings: readonly PlacedBinding[], watches: readonly DraftWatch[]): void {
  let more = 0;
  let last: PlacedBinding | undefined;
  for (const placed of bindings) {
    for (const [index, address] of placed.binding.ips.entries()) {
      const why = whyUnwatched(placed.binding, address, watches);
      if (why === undefined) continue;
      if (more++ < 5) placed.report.warn([...placed.path, 'ips', index], `${address} of ${placed.binding.vm} ${why}: it is never announced here`);
      last = placed;
    }
  }
  if (more > 5) last?.report.warn([...last.path], `and ${more - 5} more addresses that are never announced here`);
}

function whyUnwatched(binding: DraftBinding, address: IpAddress, watches: readonly DraftWatch[]): string | undefined {
  const inVrf = watches.filter((watch) => watch.vrf === binding.vrf);
  if (inVrf.length === 0) return `is in VRF ${binding.vrf}, which no watched bridge is in`;
  const inPrefix = inVrf.filter((watch) => watch.prefixes.some((prefix) => prefixContains(prefix, address)));
  if (inPrefix.length === 0) return 'is outside watch.prefixes';
  const { vlan } = binding;
  const inVlan = inPrefix.filter((watch) => vlan === undefined || watch.vlans === undefined || watch.vlans.some(([low, high]) => low <= vlan && vlan <= high));
  if (inVlan.length === 0) return `is bound in VLAN ${vlan}, which is not watched with its prefix`;
  return inVlan.every((watch) => watch.exclude.includes(address)) ? 'is in watch.exclude' : undefined;
}

/** Warns where nothing could ever be claimed. */
export function checkIdentity(draft: Draft, count: number, report: Report): void {
  if (draft.identity.mode === 'strict' && count === 0) {
    report.warn(['identity', 'bindings'], 'mode is strict and there are no bindings: no VM may claim an address. Add bindings, or set identity.mode: learn');
  }
}
