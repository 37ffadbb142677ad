import { writeFileSync } from 'node:fs';
import { setSwitch } from './switches.ts';

/** `proxy_ndp` of interfaces. Without it the kernel keeps IPv6 proxy entries and answers nobody. What it was comes back at a stop for good. */
export interface ProxyNdp {
  /** Once for each interface. */
  enable(ifname: string): void;
  restore(): void;
}

/** @param say words for the log, once each */
export function openProxyNdp(say: (text: string) => void): ProxyNdp {
  const before = new Map<string, string>();
  return {
    enable(ifname) {
      const file = `/proc/sys/net/ipv6/conf/${ifname}/proxy_ndp`;
      if (before.has(file) || ifname.includes('/')) return;
      try {
        before.set(file, setSwitch(file, '1'));
      } catch (error) {
        before.set(file, '1');
        say(`${file} can't be set to 1 (${(error as Error).message}): VMs here don't find IPv6 neighbours that moved away`);
      }
    },
    restore() {
      for (const [file, value] of before) if (value !== '1') try { writeFileSync(file, value); } catch { /* the bridge is gone */ }
    },
  };
}
