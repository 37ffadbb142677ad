import * as z from 'zod';
import type { IpAddress, Prefix } from '../../net/ip.ts';
import { type Parsed, checkAsn, checkCommunity, parseDuration, parseHostAddress, parseNetwork, quote } from '../values.ts';

// Kinds of values that keys of several sections take.

/** Text that `parse` turns into a value. */
export function parsed<Value>(title: string, parse: (text: string) => Parsed<Value>, pattern?: string) {
  const wrongType = title === 'duration' ? 'must be a duration with its unit, such as 250ms, 3s, 2m or 24h' : undefined;
  return z
    .string({ error: ({ input }) => (input === undefined || input === null ? undefined : wrongType) })
    .meta({ title, ...(pattern === undefined ? {} : { pattern }) })
    .transform((text, context) => {
      const result = parse(text);
      if ('value' in result) return result.value;
      context.issues.push({ code: 'custom', message: result.error, input: text });
      return z.NEVER;
    });
}

/** Text that must satisfy `pattern`; `must` says so in words. */
export const text = (title: string, pattern: RegExp, must: string) => z.string().regex(pattern, { error: must }).meta({ title });
export const whole = (min: number, max: number) =>
  z.number().refine((value) => Number.isInteger(value) && value >= min && value <= max, { error: `must be a whole number, ${min}..${max}` })
    .meta({ type: 'integer', minimum: min, maximum: max, title: 'number' });

export const durationPattern = '^\\d{1,9}(ms|s|m|h)$';
/** A duration from `min` to `max` milliseconds; `unit` 1000 where the protocol counts whole seconds. The value is in `unit`s. */
export const duration = (min: string, max: string, unit: 1 | 1000 = 1) =>
  parsed('duration', (value) => {
    const ms = parseDuration(value);
    if ('error' in ms) return ms;
    const [low, high] = [min, max].map((limit) => (parseDuration(limit) as { value: number }).value) as [number, number];
    if (ms.value < low || ms.value > high) return { error: `must be ${min} to ${max}` };
    if (ms.value % unit !== 0) return { error: `${quote(value)}: BGP counts this in whole seconds` };
    return { value: ms.value / unit };
  }, durationPattern);

export const asn = z.number().superRefine((value, context) => {
  const wrong = checkAsn(value);
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
}).meta({ type: 'integer', minimum: 1, maximum: 4294967294, title: 'ASN' });
export const hostAddress = parsed<IpAddress>('address', parseHostAddress);
export const ofFamily = (v6: boolean) => parsed<IpAddress>(v6 ? 'IPv6 address' : 'IPv4 address', (value) => {
  const address = parseHostAddress(value);
  if ('error' in address || address.value.includes(':') === v6) return address;
  return { error: `${address.value} is not IPv${v6 ? 6 : 4}` };
});
export const prefix = parsed<Prefix>('prefix', parseNetwork);
export const vrf = text('name', /^[a-zA-Z0-9._-]{1,63}$/, 'must be 1 to 63 of the characters a-z A-Z 0-9 . _ -');
export const path = text('path', /^\/[^\0]{0,4094}$/, 'must be an absolute path');
export const communities = z.array(z.string().meta({ title: 'community' }).superRefine((value, context) => {
  const wrong = checkCommunity(value);
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
})).max(16, { error: 'at most 16 communities' });

export const labelText = text('text', /^[\x21-\x7e]{1,253}$/, 'must be 1 to 253 printable characters without blanks');
const labelValue = text('text', /^[\x21-\x7e]{0,253}$/, 'must be at most 253 printable characters without blanks');
export const labels = z.record(labelText, labelValue).meta({ title: 'labels' });
export const nodeSelector = labels.refine((value) => Object.keys(value).length > 0, { error: 'names no label; leave it out to mean every node' });

export const password = z.strictObject({
  credential: text('name', /^(?!\.\.?$)[a-zA-Z0-9._-]{1,255}$/, 'must be the name of a systemd credential (LoadCredential=NAME:…)').optional().describe('The name of a systemd credential (`LoadCredential=NAME:/path`).'),
  file: path.optional().describe('A file that only its owner can read. One newline at its end is left out.'),
  env: text('name', /^[A-Za-z_][A-Za-z0-9_]{0,254}$/, 'must be the name of an environment variable').optional().describe('The name of an environment variable.'),
}, { error: (issue) => (issue.code === 'invalid_type' && issue.input !== null ? 'a password in plain text is refused; write {credential: NAME} (systemd), {file: /path} or {env: NAME}, which say where it is' : undefined) })
  .refine((value) => Object.keys(value).length === 1, { error: 'needs exactly one of credential, file and env' });

/** RFC 5925; keys are rotated by their order. */
export const tcpAo = z.strictObject({
  algorithm: z.enum(['hmac-sha1', 'aes-128-cmac']).prefault('hmac-sha1').describe('How segments are signed (RFC 5926): as the router has it.'),
  keys: z.array(z.strictObject({
    sendId: whole(0, 255).describe('The KeyID in what we send: the router\'s receive ID.'),
    receiveId: whole(0, 255).optional().describe('The KeyID in what the router sends: its send ID. Default: as `sendId`.'),
    key: password.describe('Where the key is: one of `credential`, `file`, `env`. Plain text is refused.'),
  })).min(1, { error: 'needs at least one key' }).max(8, { error: 'at most 8 keys' }).describe('The first is the one that a session begins with and the router is asked for; the others are taken, too.'),
});
