import type { Config } from '../../config/config.ts';
import { explainMissing, has, type CapabilityName, type CapabilitySets } from '../capability-sets.ts';
import { fail, ok, skip, warn, type Finding } from './finding.ts';
import { kernelOf } from './kernel-options.ts';

/** @param whose `the daemon` or `this process`: whose sets they are. */
export function checkCapabilities(sets: CapabilitySets | undefined, config: Config, whose: string): Finding[] {
  if (sets === undefined) return [skip('capability', 'the capability sets of this process can\'t be read')];
  return needed(config).flatMap(({ name, why, fatal }): Finding[] => {
    if (has(sets, name)) return [ok('capability', `${name} present`)];
    const text = `${whose} lacks ${name}, needed to ${why}`;
    const cure = explainMissing(name, sets);
    return [fatal ? fail('capability', text, cure) : warn('capability', text, cure)];
  });
}

function needed(config: Config): { name: CapabilityName; why: string; fatal: boolean }[] {
  const { listen } = config.bgp;
  const kernel = kernelOf(config);
  return [
    { name: 'CAP_NET_RAW', why: 'hear the VMs', fatal: true },
    ...(listen.enabled && listen.port < 1024 ? [{ name: 'CAP_NET_BIND_SERVICE' as const, why: `listen on port ${listen.port} (bgp.listen)`, fatal: true }] : []),
    ...(kernel.changesKernel ? [{ name: 'CAP_NET_ADMIN' as const, why: `change the node's kernel (${kernel.key})`, fatal: true }] : []),
    ...(config.process.scheduling === 'fifo' ? [{ name: 'CAP_SYS_NICE' as const, why: 'run with process.scheduling fifo', fatal: false }] : []),
  ];
}
