import { type ConfigError, makeError } from './errors.ts';
import type { MapEntry, ScalarTree, Tree } from './tree.ts';
import { quote } from './values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** All that `${NAME}` may bring in together, in characters: a file of references must not become gigabytes. */
export const maxSubstituted = 1 << 20;

/**
 * `${NAME}` and `${NAME:-default}` in string values replaced from the environment. The default counts where the variable is missing or
 * empty; a missing one without a default is an error. Nothing else is special, and what came in is not looked at again.
 */
export function substitute(tree: Tree, environment: Environment, errors: ConfigError[]): Tree {
  let room = maxSubstituted;
  const replace = (scalar: ScalarTree, text: string): ScalarTree => {
    let wrong: string | undefined;
    const value = text.replace(/\$\{([^{}]*)(\}?)/g, (whole, inner: string, close: string) => {
      const match = close === '' ? null : /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inner);
      if (match === null) {
        wrong ??= `${quote(whole)} is no \${NAME} and no \${NAME:-default}`;
        return '';
      }
      const name = match[1] as string;
      const found = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (found === undefined && match[2] === undefined) {
        wrong ??= `${quote(name)} is not set in the environment; set it, or give a default: \${${name}:-default}`;
        return '';
      }
      const result = found === undefined || (found === '' && match[2] !== undefined) ? (match[2] ?? '') : found;
      room -= result.length;
      return room < 0 ? '' : result;
    });
    if (room < 0) wrong ??= `variables bring in more than ${maxSubstituted} characters`;
    if (wrong !== undefined) errors.push(makeError(scalar.at, scalar.path, wrong));
    return { ...scalar, value, substituted: true };
  };
  const visit = (here: Tree): Tree => {
    if (here.kind === 'scalar') return typeof here.value === 'string' && here.value.includes('${') ? replace(here, here.value) : here;
    if (here.kind === 'list') return { ...here, items: here.items.map(visit) };
    const entries = new Map<string, MapEntry>();
    for (const [key, { at, value }] of here.entries) {
      if (key.includes('${')) errors.push(makeError(at, value.path, 'variables are replaced in values only, not in keys'));
      else entries.set(key, { at, value: visit(value) });
    }
    return { ...here, entries };
  };
  return visit(tree);
}
