import { readKey } from '../../bgp/io/tcp-auth.ts';
import type { SecretSource } from '../../config/config.ts';

/** What stands where a secret stood. */
export const removed = '(removed)';

/** A shorter secret is replaced only where it is named as one: three letters stand in every text. */
const shortestSecret = 4;
const mostDepth = 12;

/** Every secret that a configuration names and that can be read here, as text. */
export function secretsOf(config: unknown): string[] {
  const found = new Set<string>();
  const walk = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || depth > mostDepth) return;
    const keys = Object.keys(value);
    if (keys.length === 1 && (keys[0] === 'credential' || keys[0] === 'file' || keys[0] === 'env')) {
      try {
        found.add(new TextDecoder('latin1').decode(readKey(value as SecretSource)));
      } catch {
        // What can't be read here can't have been put into anything here.
      }
    }
    for (const inner of Object.values(value)) walk(inner, depth + 1);
  };
  walk(config, 0);
  return [...found];
}

/** Secrets of the environment by the names that they usually have. */
export function secretsOfEnvironment(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment).flatMap(([name, value]) => (/password|passwd|secret|token|credential|_key$/i.test(name) && value !== undefined ? [value] : []));
}

/** The text without these secrets, and without the value of anything that calls itself one. */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (secret.length < shortestSecret) continue;
    for (const form of new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex')])) {
      clean = clean.replaceAll(form, removed);
    }
  }
  return clean.replace(/((?:password|passwd|passphrase|secret|token|md5key|private[ _-]?key)["']?\s*[:=]\s*["']?)([^\s"',{}[\]()]+)/gi, `$1${removed}`);
}
