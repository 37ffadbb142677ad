import type { WatchConfig } from '../config/config.ts';
import type { WatchedBridge } from '../bridge/ports.ts';
import { compileWatch, type WatchRules } from '../identity/watch-rules.ts';

/** One entry of `watch` in the shape that the bridge room asks with. */
export interface Watch extends WatchedBridge {
  readonly config: WatchConfig;
  readonly rules: WatchRules;
  readonly vrf: string;
}

export function watchesOf(configs: readonly WatchConfig[]): Watch[] {
  return configs.map((config) => ({
    bridge: config.bridge, local: config.ports.local, uplink: config.ports.uplink, vrf: config.vrf, config, rules: compileWatch(config),
    ...(config.vlans === undefined ? {} : { vlans: config.vlans }),
  }));
}
