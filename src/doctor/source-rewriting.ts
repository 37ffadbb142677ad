import type { Config } from '../../config/config.ts';
import { hostPrefix, parseIp, parsePrefix, prefixAddress, prefixContains, prefixLength, type IpAddress, type Prefix } from '../../net/ip.ts';
import { atMost, ok, skip, some, warn, type Finding } from './finding.ts';
import { parseFirewall, type FirewallRule, type RulePlace } from './firewall-rules.ts';
import type { AddressRewrite, HostState } from './host-state.ts';

/** So many prefixes are excepted in one fix. */
const exceptedAtMost = 4;

/** The rules with `masquerade` or `snat` in what `readFirewall` gives, at most so many. */
export function parseRewrites(text: string, most = 1000): AddressRewrite[] {
  const leaving = new Map<string, Prefix[]>();
  const found: AddressRewrite[] = [];
  for (const rule of parseFirewall(text)) {
    const { place } = rule;
    const key = `${place?.program} ${place?.family} ${place?.table} ${place?.chain}`;
    if (/\b(masquerade|snat|MASQUERADE|SNAT)\b/.test(rule.text)) {
      const except = place === undefined ? undefined : leaving.get(key);
      found.push({ text: rule.text, ...sourcesOf(rule.text), ...(except === undefined ? {} : { except: [...except] }), ...(place === undefined ? {} : { place }) });
      if (found.length >= most) break;
    } else if (place !== undefined && onlyLeaves(rule)) {
      leaving.set(key, [...(leaving.get(key) ?? []), ...(sourcesOf(rule.text).sources ?? [])]);
    }
  }
  return found;
}

/** Ends the chain for some sources, whatever else the packet is. */
function onlyLeaves({ text }: FirewallRule): boolean {
  return /^ip6? saddr (\{[^}]*\}|[\w.:/]+)( counter packets \d+ bytes \d+)? (accept|return)( comment ".*")?$/.test(text)
    || /^-A \S+ -s \S+( -m comment --comment (".*"|\S+))? -j (ACCEPT|RETURN)$/.test(text);
}

function sourcesOf(text: string): Pick<AddressRewrite, 'sources' | 'negated'> {
  const match = /\bip6? saddr (!= )?(\{[^}]*\}|\S+)/.exec(text) ?? /(! )?(?:-s|--source) (\S+)/.exec(text);
  if (match === null) return { negated: false };
  const sources = (match[2] as string).replace(/[{}]/g, '').split(',').map((word) => asPrefix(word.trim())).filter((prefix) => prefix !== undefined);
  return { negated: match[1] !== undefined, ...(sources.length === 0 ? {} : { sources }) };
}

/** The first rule for this source. @param sure one that names it; else one that is for every source, as far as the rule says */
export function rewriteOf(rules: readonly AddressRewrite[], address: IpAddress, sure: boolean): string | undefined {
  const prefix = hostPrefix(address);
  return rules.find((rule) => isSure(rule) === sure && covers(rule, prefix))?.text;
}

function asPrefix(word: string): Prefix | undefined {
  const address = parseIp(word);
  return address === undefined ? parsePrefix(word) : hostPrefix(address);
}

/** A VM whose packets leave with the node's address can't move: its connections are the node's. */
export function checkSourceRewriting(host: HostState, config: Config): Finding[] {
  const { rewrites } = host;
  if ('unread' in rewrites) return [skip('snat', `the firewall's rules can't be read (${rewrites.unread}): whether one rewrites the VMs' source addresses is not known`)];
  const prefixes = [...new Set(config.watch.flatMap((watch) => watch.prefixes))];
  const found = rewrites.flatMap((rule): Finding[] => {
    const hits = prefixes.filter((prefix) => covers(rule, prefix));
    if (hits.length === 0) return [];
    return [warn('snat', `a rule ${isSure(rule) ? 'rewrites' : 'may rewrite'} the source of packets from ${some(hits, exceptedAtMost)}: ${rule.text.slice(0, 200)}; connections of a VM break when it moves`,
      rule.place === undefined ? 'except watch.prefixes from it' : exceptionsFor(rule.place, hits.slice(0, exceptedAtMost)))];
  });
  if (found.length === 0) return [ok('snat', `no rule rewrites the source of watch.prefixes (${rewrites.length} rules with SNAT read)`)];
  return atMost(found, (count) => warn('snat', `${count} more such rules`));
}

/** The commands that let packets from these prefixes leave the chain before they come to the rule. */
function exceptionsFor({ program, table, chain }: RulePlace, prefixes: readonly Prefix[]): string {
  return prefixes.map((prefix) => (program === 'nft'
    ? `nft insert rule ${table} ${chain} ip${prefix.includes(':') ? '6' : ''} saddr ${prefix} return`
    : `${program} -t ${table} -I ${chain} -s ${prefix} -j RETURN`)).join(' && ');
}

function isSure({ sources, negated }: AddressRewrite): boolean {
  return sources !== undefined && !negated;
}

function covers({ sources, negated, except = [], place }: AddressRewrite, prefix: Prefix): boolean {
  const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
  if ((place?.family ?? family) !== family || except.some((source) => isWithin(prefix, source))) return false;
  if (sources === undefined) return true;
  const same = sources.filter((source) => source.includes(':') === prefix.includes(':'));
  if (negated) return same.length > 0 && !same.some((source) => prefixContains(source, prefixAddress(prefix)));
  return same.some((source) => (prefixContains(source, prefixAddress(prefix)) || prefixContains(prefix, prefixAddress(source))) && !except.some((other) => isWithin(source, other)));
}

function isWithin(inner: Prefix, outer: Prefix): boolean {
  return inner.includes(':') === outer.includes(':') && prefixLength(inner) >= prefixLength(outer) && prefixContains(outer, prefixAddress(inner));
}
