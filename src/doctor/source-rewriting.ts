import type { Config } from '../../config/config.ts';
import { hostPrefix, parseIp, parsePrefix, prefixAddress, prefixContains, type IpAddress, type Prefix } from '../../net/ip.ts';
import { atMost, ok, skip, warn, type Finding } from './finding.ts';
import type { AddressRewrite, HostState } from './host-state.ts';

/** The rules with `masquerade` or `snat` in the text of `nft list ruleset` or `iptables-save`, at most so many. */
export function parseRewrites(text: string, most = 1000): AddressRewrite[] {
  const rules = text.split('\n').map((line) => line.trim()).filter((line) => /\b(masquerade|snat|MASQUERADE|SNAT)\b/.test(line) && !line.startsWith('#') && !/^(chain|type|:)/.test(line));
  return rules.slice(0, most).map((line) => {
    const nft = /\bip6? saddr (!= )?(\{[^}]*\}|\S+)/.exec(line);
    const iptables = /(! )?(?:-s|--source) (\S+)/.exec(line);
    const match = nft ?? iptables;
    if (match === null) return { text: line, negated: false };
    const sources = (match[2] as string).replace(/[{}]/g, '').split(',').map((word) => asPrefix(word.trim())).filter((prefix) => prefix !== undefined);
    return { text: line, negated: match[1] !== undefined, ...(sources.length === 0 ? {} : { sources }) };
  });
}

/** The first rule for this source. @param sure one that names it; else one that is for every source, as far as the rule says */
export function rewriteOf(rules: readonly AddressRewrite[], address: IpAddress, sure: boolean): string | undefined {
  const prefix = hostPrefix(address);
  return rules.find((rule) => (rule.sources !== undefined && !rule.negated) === sure && covers(rule, prefix))?.text;
}

function asPrefix(word: string): Prefix | undefined {
  const address = parseIp(word);
  return address === undefined ? parsePrefix(word) : hostPrefix(address);
}

/** A VM whose packets leave with the node's address can't move: its connections are the node's. */
export function checkSourceRewriting(host: HostState, config: Config): Finding[] {
  const { rewrites } = host;
  if ('unread' in rewrites) return [skip('snat', `the firewall's rules can't be read (${rewrites.unread}): whether one rewrites the VMs' source addresses is not known`)];
  const prefixes = config.watch.flatMap((watch) => watch.prefixes);
  const found = rewrites.flatMap((rule): Finding[] => {
    const hit = prefixes.find((prefix) => covers(rule, prefix));
    if (hit === undefined) return [];
    const sure = rule.sources !== undefined && !rule.negated;
    return [warn('snat', `a rule ${sure ? 'rewrites' : 'may rewrite'} the source of packets from ${hit}: ${rule.text.slice(0, 200)}; connections of a VM break when it moves`, 'except watch.prefixes from it')];
  });
  if (found.length === 0) return [ok('snat', `no rule rewrites the source of watch.prefixes (${rewrites.length} rules with SNAT read)`)];
  return atMost(found, (count) => warn('snat', `${count} more such rules`));
}

function covers({ sources, negated }: AddressRewrite, prefix: Prefix): boolean {
  if (sources === undefined) return true;
  const same = sources.filter((source) => source.includes(':') === prefix.includes(':'));
  if (negated) return same.length > 0 && !same.some((source) => prefixContains(source, prefixAddress(prefix)));
  return same.some((source) => prefixContains(source, prefixAddress(prefix)) || prefixContains(prefix, prefixAddress(source)));
}
