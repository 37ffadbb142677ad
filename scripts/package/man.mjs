// The manual page, made from the command line's own definition, so that it cannot lag behind it.

/** Text for roff: a backslash and a leading dot or quote would be commands, a hyphen would be broken or set as a dash. */
export function escapeRoff(text) {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^([.'])/gm, '\\&$1');
}

const bold = (text) => `\\fB${escapeRoff(text)}\\fR`;

function optionOf({ synopsis, summary, values }) {
  const choices = values.length === 0 ? '' : ` (${values.join(', ')})`;
  return `.TP\n${bold(synopsis)}\n${escapeRoff(summary + choices)}`;
}

function commandOf({ path, usage, summary, options }, globals) {
  const own = options.filter(({ synopsis }) => !globals.has(synopsis));
  const words = usage.replace('[options]', '').trim();
  return [`.SS "${escapeRoff(`landfall ${path} ${words}`.trim())}"`, escapeRoff(`${summary[0].toUpperCase()}${summary.slice(1)}.`), ...own.map(optionOf)].join('\n');
}

const statuses = [
  ['0', 'fine'], ['1', 'the check or action failed'], ['2', 'wrong usage'], ['3', 'the configuration is not valid'], ['4', 'the daemon is not reachable'], ['5', 'timed out'],
];

const files = [
  ['/etc/landfall/landfall.yaml', 'the configuration; landfall config schema describes it'],
  ['/run/landfall/landfall.sock', 'where the daemon answers'],
  ['/var/lib/landfall', 'what the daemon remembers over a restart'],
];

/**
 * @param {import('../../src/commands/completion.ts').CompletionTree[]} tree all commands, the program itself first
 * @param {{ version: string, date: string }} about `date`: of the release, YYYY-MM-DD
 * @returns {string} landfall(8)
 */
export function makeManualPage(tree, { version, date }) {
  const [program, ...commands] = tree;
  const globals = new Set(program.options.map(({ synopsis }) => synopsis));
  const entry = ([name, text]) => `.TP\n${bold(name)}\n${escapeRoff(text)}`;
  return `${[
    `.TH LANDFALL 8 "${date}" "landfall ${version}" "System Administration"`,
    '.SH NAME', `landfall \\- ${escapeRoff(program.summary)}`,
    '.SH SYNOPSIS', `${bold('landfall')} [options] command`,
    '.SH DESCRIPTION',
    escapeRoff('A daemon on each node that runs VMs, and the commands to look at it. The daemon hears a VM announce itself (gratuitous ARP, RARP, unsolicited\nneighbour advertisement) on a local port of a watched bridge, and announces its host routes to the routers over BGP; it withdraws them when\nthe VM has left.'),
    '.SH OPTIONS', ...program.options.map(optionOf),
    '.SH COMMANDS', ...commands.filter(({ verbs }) => verbs.length === 0).map((command) => commandOf(command, globals)),
    '.SH EXIT STATUS', ...statuses.map(entry),
    '.SH ENVIRONMENT', ...[['LANDFALL_CONFIG', 'as --config'], ['LANDFALL_SOCKET', 'as --socket'], ['NODE_NAME', 'the name of this node, where the configuration has no node.name (default: the host name)'], ['NO_COLOR', 'no colour']].map(entry),
    '.SH FILES', ...files.map(entry),
    '.SH SEE ALSO', `${escapeRoff('/usr/share/doc/landfall/')}, ${bold('systemctl')}(1), ${bold('ip')}(8), ${bold('bridge')}(8)`,
  ].join('\n')}\n`;
}
