import * as z from 'zod';
import type { KeyTree } from './keys.ts';
import { nearest } from './errors.ts';
import { bgp, type peer, routes } from './schema/bgp.ts';
import { api, kernel, kubernetes, log, process, state, stragglers, telemetry } from './schema/process.ts';
import { labelText, labels, nodeSelector, password } from './schema/kinds.ts';
import { type binding, bindings, gate, identity, migration, watch } from './schema/vms.ts';
import { quote } from './values.ts';

// The YAML, key by key; its sections are in `schema/`. `title` is the kind of value in the documentation, `description` the sentence beside
// it; both go into the JSON Schema too. What depends on more than one key is checked in `checks/`.

const shape = {
  apiVersion: z.literal('landfall/v1').describe('The version of this format.'),
  node: z.strictObject({
    name: labelText.optional().describe('Default: the environment variable `NODE_NAME`, else the host name.'),
    labels: labels.prefault({}).describe('Matched by `nodeSelector`.'),
  }).prefault({}).describe('This node.'),
  bgp: bgp.describe('Our side of the sessions, and the routers.'),
  watch: z.array(watch).min(1, { error: 'watches no bridge' }).max(64).describe('Where announcements are heard.'),
  routes: routes.describe('What the routers are told.'),
  migration: migration.describe('How a move is recognised and carried out.'),
  identity: identity.describe('Who may claim which address.'),
  gate: gate.describe('The policy gate: a VM is not reachable here before its policy is in force.'),
  state,
  stragglers,
  kernel,
  kubernetes,
  process,
  telemetry,
  log,
  api,
};

const override = z.strictObject({
  nodeSelector: nodeSelector.describe('On nodes with all of these labels.'),
  ...Object.fromEntries(Object.entries(shape).filter(([key]) => !['apiVersion', 'node', 'kubernetes'].includes(key)).map(([key, value]) => [key, looser(value)])),
});

const root = z.strictObject({
  ...shape,
  overrides: z.array(override).max(64, { error: 'at most 64 overrides' }).prefault([]).describe('Merged on matching nodes, in order: keys of the same shape as above. Lists are replaced as a whole.'),
});

/** The same schema with every key optional and nothing filled in, also further down; elements of lists stay whole. */
function looser(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    const inner = looser(schema.unwrap() as z.ZodType);
    return describeLike(inner instanceof z.ZodOptional ? inner : inner.optional(), schema);
  }
  if (schema instanceof z.ZodObject && schema !== (password as z.ZodType)) {
    const keys = Object.entries(schema.shape as Record<string, z.ZodType>).map(([key, value]) => [key, looser(value)] as const);
    return describeLike(z.strictObject(Object.fromEntries(keys)).optional(), schema);
  }
  return describeLike(schema.optional(), schema);
}

function describeLike(schema: z.ZodType, like: z.ZodType): z.ZodType {
  return like.description === undefined ? schema : schema.describe(like.description);
}

/** What the schema makes of a file: all defaults filled in that depend on nothing else. */
export type Draft = z.output<typeof root>;
export type DraftPeer = z.output<typeof peer>;
export type DraftRange = Draft['bgp']['listen']['ranges'][number];
export type DraftWatch = z.output<typeof watch>;
export type DraftBinding = z.output<typeof binding>;
export type DraftLevel = Draft['routes']['normal'];

export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type Checked<Value> = { readonly value: Value; readonly problems: readonly [] } | { readonly value?: undefined; readonly problems: readonly Problem[] };

export const checkRoot = (value: unknown): Checked<Draft> => check(root, value);
export const checkOverride = (value: unknown): Checked<unknown> => check(override, value);
export const checkBindingList = (value: unknown): Checked<DraftBinding[]> => check(bindings, value);

function check<Value>(schema: z.ZodType<Value>, value: unknown): Checked<Value> {
  const result = schema.safeParse(value, { error: sayInWords });
  if (result.success) return { value: result.data, problems: [] };
  return { problems: result.error.issues.map((issue) => ({ path: issue.path.filter((key) => typeof key !== 'symbol'), message: issue.message })) };
}

const kinds: Readonly<Record<string, string>> = { string: 'text', number: 'a number', boolean: 'true or false', array: 'a list', object: 'keys and values', record: 'keys and values' };

/** Our words for zod's findings. They never repeat a value that could be a password typed into the wrong place. */
function sayInWords(issue: z.core.$ZodRawIssue): string {
  const { input } = issue;
  if (input === null && ['invalid_type', 'invalid_value', 'invalid_union'].includes(issue.code)) return 'has no value; give one, or leave the key out';
  switch (issue.code) {
    case 'invalid_type':
      if (input === undefined) return 'is required';
      return `must be ${kinds[issue.expected] ?? issue.expected}, not ${kindOf(input)}${issue.expected === 'string' && ['number', 'boolean'].includes(typeof input) ? '; write it in quotes' : ''}`;
    case 'invalid_value':
      return input === undefined ? 'is required' : oneOf(input, issue.values.map(String));
    case 'too_big':
      return issue.origin === 'array' ? `has more than ${issue.maximum} entries` : `must be at most ${issue.maximum}`;
    case 'unrecognized_keys':
      return `has unknown keys: ${issue.keys.map(quote).join(', ')}`;
    case 'invalid_key':
      return (issue.issues[0]?.message ?? 'is no valid key').replace(/^must/, 'the name of a label must');
    default:
      return issue.message ?? 'is not valid'; // our own checks bring their words
  }
}

function oneOf(input: unknown, values: readonly string[]): string {
  const close = typeof input === 'string' ? nearest(input, values) : undefined;
  const hint = close === undefined ? '' : `; did you mean ${quote(close)}?`;
  return values.length === 1 ? `must be ${quote(values[0] as string)}` : `must be one of ${values.join(', ')}${hint}`;
}

function kindOf(input: unknown): string {
  if (input === null) return 'empty';
  return kinds[Array.isArray(input) ? 'array' : typeof input] ?? 'something else';
}

/** Which keys there are, and what kind of value each takes. */
export const rootKeys: KeyTree = keysOf(root);
export const bindingListKeys: KeyTree = keysOf(bindings);

function keysOf(schema: z.ZodType): KeyTree {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return { ...keysOf(schema.unwrap() as z.ZodType), optional: true };
  if (schema instanceof z.ZodPipe) return keysOf(schema.in as z.ZodType);
  if (schema instanceof z.ZodArray) return { kind: 'list', item: keysOf(schema.element as z.ZodType), optional: false };
  if (schema instanceof z.ZodRecord) return { kind: 'record', optional: false };
  if (schema instanceof z.ZodObject) {
    const keys = Object.entries(schema.shape as Record<string, z.ZodType>).map(([key, value]) => [key, keysOf(value)] as const);
    return { kind: 'map', keys: new Map(keys), optional: false };
  }
  if (schema instanceof z.ZodUnion) return { kind: 'any', optional: false };
  return { kind: schema instanceof z.ZodNumber ? 'number' : schema instanceof z.ZodBoolean ? 'boolean' : 'text', optional: false };
}

/** JSON Schema (2020-12) of the file, before `${NAME}` is allowed for. */
export function rawJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(root, { io: 'input', reused: 'inline' });
}
