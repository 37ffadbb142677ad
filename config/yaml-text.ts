import { stringify } from 'yaml';

/** A value of plain data as a YAML document. Keys keep their order; `undefined` is left out; no anchors, long lines stay whole. */
export function toYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
