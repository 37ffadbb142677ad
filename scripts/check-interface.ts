// `npm run check` runs it: docs/interface-check.md names every word of the interface and what shows that it is true, and nothing that is not
// there. The words come from the program itself; a test that is named must exist, with these words in its title.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reloadEffects } from '../config/reload-class.ts';
import { eventTypes, prefixStates } from '../src/api-parameters.ts';
import { describeCommandLine } from '../src/cli.ts';
import { status } from '../src/commands/global.ts';
import { newMetrics } from '../src/metrics.ts';
import { renderMetrics } from '../src/metrics/collect.ts';
import { migrationsView } from '../src/views/migrations.ts';
import { outputFormats } from '../src/views/output.ts';
import { peersView } from '../src/views/peers.ts';
import { prefixesView } from '../src/views/prefixes.ts';
import { receivedView } from '../src/views/received.ts';
import { baseConfig, Fabric } from '../test/sim/fabric.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = 'docs/interface-check.md';
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
}

/** Every key that takes a value, `[]` for elements of lists. Those of `overrides` are the same once more. */
function keys(schema: Schema, path = ''): string[] {
  const whole = schema.properties === undefined ? (schema.anyOf?.find((one) => one.properties !== undefined || one.items !== undefined) ?? schema) : schema;
  if (whole.properties !== undefined && Object.keys(whole.properties).length > 0) {
    return Object.entries(whole.properties).flatMap(([key, inner]) => (path === '' && key === 'overrides' ? [key] : keys(inner, path === '' ? key : `${path}.${key}`)));
  }
  return whole.items !== undefined && (whole.items.properties !== undefined || whole.items.anyOf !== undefined && path.endsWith('checks')) ? keys(whole.items, `${path}[]`) : [path];
}

/** `show prefixes`, `show prefixes --state`, `tor-config --os frr`, and the global options by themselves. */
function commands(): string[] {
  const all = describeCommandLine();
  const global = new Set((all[0]?.options ?? []).flatMap(({ flags }) => flags));
  return all.flatMap(({ path, verbs, options }) => {
    const own = path === '' ? options : options.filter(({ flags }) => !flags.some((flag) => global.has(flag)));
    const named = own.flatMap(({ flags, values }) => {
      const option = `${path} ${flags.at(-1)}`.trim();
      return values.length === 0 || option === '--output' ? [option] : values.map((value) => `${option} ${value}`);
    });
    return [...(path === '' || verbs.length > 0 ? [] : [path]), ...named];
  });
}

function metrics(): string[] {
  const { world } = new Fabric().addNode(1).speaker;
  world.config = baseConfig(1, (config) => ({ ...config, telemetry: { ...config.telemetry, perPrefixMetrics: true } }));
  const text = renderMetrics(world, newMetrics(0), { version: '1', commit: 'c', dropped: 0, feeds: { stations: [{ station: 's', connected: true, sent: 1 }], mrtLost: 0 } });
  return [...text.matchAll(/^# TYPE landfall_(\w+)/gm)].map(([, name]) => name as string);
}

const columnsOf = (table: string, { columns }: { readonly columns: readonly { readonly header: string }[] }): string[] => columns.map(({ header }) => `${table} ${header}`);
const found = (path: string, pattern: RegExp): string[] => [...new Set([...read(path).matchAll(pattern)].map((match) => match[1] as string))];

/** What each section of the page must name, no more and no less. */
const sections: Readonly<Record<string, readonly string[]>> = {
  'Keys of the YAML': keys(JSON.parse(read('docs/landfall.schema.json')) as Schema),
  'How a changed key is applied': Object.keys(reloadEffects),
  'Commands and options': commands(),
  'Exit statuses': ['0', ...Object.values(status).map(String)],
  'Output formats': outputFormats,
  'Types of events': eventTypes,
  'States': prefixStates,
  'Verdicts': [...(/export type Verdict =([^;]*);/.exec(read('identity/admit.ts'))?.[1] ?? '').matchAll(/'(\w+)'/g)].map(([, word]) => word as string),
  'Columns': [
    ...columnsOf('show peers', peersView), ...columnsOf('show prefixes', prefixesView), ...columnsOf('show migrations', migrationsView), ...columnsOf('show received', receivedView),
  ],
  'Findings of doctor': [...new Set(['bridges', 'capabilities', 'examine-host', 'examine-speaker', 'guests', 'icmp-errors', 'node-as-gateway', 'kernel-options', 'other-speakers', 'own-addresses', 'routes', 'sessions', 'source-rewriting', 'upstream']
    .flatMap((name) => found(`src/doctor/${name}.ts`, /\b(?:ok|warn|fail|skip)\(\s*'([\w-]+)'/g)))],
  'Metrics': metrics(),
  'Alerts': found('deploy/alerts.yaml', /alert: (\w+)/g),
};

const problems: string[] = [];
let section = '';
let words = new Set<string>();
const done = new Set<string>();

for (const line of [...read(page).split('\n'), '## ']) {
  const heading = /^## (.*)$/.exec(line)?.[1];
  if (heading !== undefined) {
    compare(section, words);
    [section, words] = [heading, new Set()];
  }
  const cells = /^\| (.*) \|$/.exec(line)?.[1]?.split(' | ');
  if (cells === undefined || cells[0]?.startsWith('---') === true || cells.at(-1) === 'shown by') continue;
  const subject = cells[0] as string;
  const table = section === 'Columns' ? `${subject.replace(/`.*/, '').trim()} ` : '';
  for (const [, word] of subject.matchAll(/`([^`]+)`/g)) words.add(`${table}${word}`);
  checkProof(subject, cells.at(-1) as string);
}

function compare(name: string, named: ReadonlySet<string>): void {
  const wanted = sections[name];
  if (wanted === undefined) return;
  done.add(name);
  for (const word of wanted) if (!named.has(word)) problems.push(`${page}: section ${name} does not name ${word}`);
  for (const word of named) if (!wanted.includes(word)) problems.push(`${page}: section ${name} names ${word}, which does not exist`);
}

/** At least one test or command; every test that is named is there. */
function checkProof(subject: string, proof: string): void {
  const tests = [...proof.matchAll(/`(test\/[\w./-]+)`((?: (?:and )?“[^”]+”)*)/g)];
  if (tests.length === 0 && !/`(npm run|landfall|scripts\/)/.test(proof)) problems.push(`${page}: nothing shows ${subject}`);
  for (const [, file, titles] of tests) {
    if (!existsSync(join(root, file as string))) problems.push(`${page}: ${subject}: there is no ${file}`);
    else if (titles === '') problems.push(`${page}: ${subject}: which test of ${file}?`);
    else for (const [, title] of (titles as string).matchAll(/“([^”]+)”/g)) if (!hasTitle(file as string, title as string)) problems.push(`${page}: ${subject}: no test of ${file} is called “${title}”`);
  }
}

function hasTitle(file: string, title: string): boolean {
  return title.length >= 3 && read(file).replaceAll('\\', '').includes(title.replaceAll('\\', ''));
}

const events = found('src/log.ts', /'([a-z]+\.[A-Za-z]+)'/g);
const told = [...read('docs/logging.md').matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => [...(cell as string).matchAll(/`([a-zA-Z.]+)`/g)].map(([, word]) => word as string));
for (const event of events) if (!told.includes(event)) problems.push(`docs/logging.md does not name the event ${event}`);
for (const event of told) if (!events.includes(event)) problems.push(`docs/logging.md names the event ${event}, which does not exist`);
const listed = [...read('docs/metrics.md').matchAll(/^\| `(\w+)` \| (?:gauge|counter|histogram)/gm)].map(([, word]) => word as string);
for (const name of metrics()) if (!listed.includes(name)) problems.push(`docs/metrics.md does not name ${name}`);
for (const name of listed) if (!metrics().includes(name)) problems.push(`docs/metrics.md names ${name}, which does not exist`);

for (const name of Object.keys(sections)) if (!done.has(name)) problems.push(`${page} has no section ${name}`);
process.stdout.write(problems.length === 0 ? `${page}: ${Object.values(sections).flat().length} words, each with what shows it\n` : `${problems.join('\n')}\n`);
process.exit(problems.length === 0 ? 0 : 1);
