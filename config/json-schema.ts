import { rawJsonSchema } from './schema.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON Schema (2020-12) of the configuration file, for editors; single values may be `${NAME}` instead. */
export function makeJsonSchema(): JsonSchema {
  const { $schema, ...root } = allowVariables(rawJsonSchema()) as Record<string, unknown>;
  return {
    $schema,
    $id: 'https://landfall.invalid/v1/landfall.schema.json',
    title: 'landfall configuration',
    ...root,
    $defs: { variable: { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-.*)?\\}', title: 'variable', description: 'Replaced from the environment.' } },
  };
}

const outer = ['title', 'description', 'default'];

function allowVariables(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(allowVariables);
  if (typeof schema !== 'object' || schema === null) return schema;
  const node = schema as Record<string, unknown>;
  if (typeof node['type'] === 'string' && ['string', 'number', 'integer', 'boolean'].includes(node['type'])) {
    if ('const' in node || (node['type'] === 'string' && node['pattern'] === undefined && node['enum'] === undefined)) return node;
    const own = Object.fromEntries(Object.entries(node).filter(([key]) => !outer.includes(key)));
    return { ...Object.fromEntries(outer.filter((key) => key in node).map((key) => [key, node[key]])), anyOf: [own, { $ref: '#/$defs/variable' }] };
  }
  return Object.fromEntries(
    Object.entries(node)
      // A section without keys is no default that anyone would want to read.
      .filter(([key, value]) => !(key === 'default' && typeof value === 'object' && value !== null && Object.keys(value).length === 0))
      .map(([key, value]) => [key, key === 'propertyNames' || key === 'default' ? value : allowVariables(value)]),
  );
}
