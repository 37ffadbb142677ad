#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import packageJson from '#package' with { type: 'json' };
import type { CompletionTree } from './commands/completion.ts';
import type { TorConfigOptions } from './commands/tor-config.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { DemoOptions } from './demo/main.ts';
import { CommandError, defaultConfigFile, defaultSocket, status, type GlobalOptions } from './commands/global.ts';
import { outputFormats, type OutputFormat } from './views/output.ts';
import { parseDuration } from './views/units.ts';

/** Each verb loads its own code when it is used, so that a short question stays a short process. */
let exitStatus = 0;

const program = new Command('landfall')
  .description('Announces a VM\'s route over BGP the moment the VM announces itself after a live migration')
  .version(packageJson.version, '--version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .addOption(new Option('-c, --config <file>', `configuration file (default: ${defaultConfigFile})`).env('LANDFALL_CONFIG'))
  .addOption(new Option('-s, --socket <path>', `the daemon's socket (default: ${defaultSocket})`).env('LANDFALL_SOCKET'))
  .addOption(new Option('-o, --output <format>', 'how data is printed').choices(outputFormats).default('table'))
  .addOption(new Option('-w, --watch [seconds]', 'again and again, every 2 s or as given').argParser(watchSeconds))
  .option('--no-headers', 'tables without their first line')
  .option('--no-color', 'no colour (nor with NO_COLOR set, nor into a file)')
  .option('-q, --quiet', 'no words on standard error but errors')
  .option('-v, --verbose', 'more words on standard error')
  .addOption(new Option('--timeout <duration>', 'how long to wait for the daemon').argParser(duration).default(5000, '5s'))
  .addOption(new Option('--node <name>', 'status and show: ask the speaker of this Kubernetes node, by way of the API server').conflicts('allNodes'))
  .option('--all-nodes', 'status and show: ask the speakers of all Kubernetes nodes')
  .addOption(new Option('--namespace <name>', 'where their pods are (default: landfall-system)').env('LANDFALL_NAMESPACE'))
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'landfall: ')) })
  .showHelpAfterError('(landfall --help lists commands and options)')
  .exitOverride();

verb(program, 'run', 'the daemon: hear VMs, announce their routes')
  .option('--dry-run', 'capture, decide and log, but open no session')
  .option('--record <folder>', 'write down frames, bridge events and BGP octets, for replay and debug bundle')
  .action(does(async (options, own: { dryRun?: true; record?: string }) => (await import('./commands/run.ts')).run(options, own.dryRun === true, own.record)));
verb(program, 'bfd', 'the process that watches the routers for the daemon (which starts it, unless a unit does)')
  .requiredOption('--listen <socket>', 'the Unix socket on which the daemon finds it')
  .option('--transient', 'end when there is nothing left to watch')
  .action(does(async (_options, own: { listen: string; transient?: true }) => (await import('./commands/bfd.ts')).bfd(own.listen, own.transient === true)));
verb(program, 'status', 'one screen: is all well').action(does(async (options) => (await import('./commands/status.ts')).showStatus(options), 'anywhere'));

const show = verb(program, 'show', 'what the daemon knows');
verb(show, 'peers [name]', 'BGP sessions; with a name it fails unless that one is established')
  .action(does(async (options, _own, name) => (await import('./commands/show.ts')).showPeers(options, name), 'anywhere'));
verb(show, 'prefixes [prefix]', 'what is announced, and why no more')
  .option('--peer <name>', 'only what this peer was sent')
  .addOption(new Option('--state <state>', 'only those in this state').choices(['normal', 'elevated', 'leaving', 'withdrawn', 'held', 'manual']))
  .option('--vm <vm>', 'only those of this VM')
  .action(does(async (options, own: { peer?: string; state?: string; vm?: string }, prefix) => (await import('./commands/show.ts')).showPrefixes(options, prefix, own), 'anywhere'));
verb(show, 'received [prefix]', 'routes held from the peers (Adj-RIB-In)')
  .option('--peer <name>', 'only from this peer')
  .action(does(async (options, own: { peer?: string }, prefix) => (await import('./commands/show.ts')).showReceived(options, prefix, own.peer), 'anywhere'));
verb(show, 'migrations', 'history, latest first')
  .addOption(new Option('--since <duration>', 'only those begun since, e.g. 1h').argParser(duration))
  .option('--vm <vm>', 'only those of this VM')
  .action(does(async (options, own: { since?: number; vm?: string }) => (await import('./commands/show.ts')).showMigrations(options, own.since, own.vm), 'anywhere'));
verb(show, 'migration <id>', 'the timeline of one')
  .action(does(async (options, _own, id) => (await import('./commands/show.ts')).showMigration(options, id as string), 'anywhere'));
verb(show, 'bindings', 'which MAC may claim which address')
  .action(does(async (options) => (await import('./commands/show.ts')).showBindings(options), 'anywhere'));
verb(show, 'ignored', 'what was heard and not announced, with the reason')
  .addOption(new Option('--since <duration>', 'only what came since, e.g. 10m').argParser(duration))
  .action(does(async (options, own: { since?: number }) => (await import('./commands/show.ts')).showIgnored(options, own.since), 'anywhere'));
verb(show, 'config', 'the effective configuration').action(does(async (options) => (await import('./commands/show.ts')).showConfig(options)));
verb(show, 'why <ip>', 'why an address is announced, or is not: every check with its result')
  .action(does(async (options, _own, address) => (await import('./commands/show.ts')).showWhy(options, address as string), 'anywhere'));

verb(program, 'events', 'the latest events')
  .option('-f, --follow', 'go on with each as it comes')
  .option('--type <types>', 'only these: migration, peer, config, frame, capture (comma-separated)')
  .action(does(async (options, own: { follow?: true; type?: string }) => (await import('./commands/events.ts')).showEvents(options, own)));

verb(program, 'top', 'a live screen: peers, rates, handovers under way, the last ones; q quits')
  .action(does(async (options) => (await import('./commands/top.ts')).top(options)));

verb(program, 'announce <ip>', 'announce by hand, until auto')
  .option('--vrf <name>', 'where several VRFs have the address')
  .action(does(async (options, own: { vrf?: string }, ip) => (await import('./commands/override.ts')).announce(options, ip as string, own.vrf)));
verb(program, 'withdraw <ip>', 'withdraw by hand, for a time or until auto')
  .addOption(new Option('--for <duration>', 'then automatic again, e.g. 10m').argParser(duration))
  .option('--vrf <name>', 'where several VRFs have the address')
  .action(does(async (options, own: { vrf?: string; for?: number }, ip) => (await import('./commands/override.ts')).withdraw(options, ip as string, own.vrf, own.for)));
verb(program, 'auto <ip>', 'end announce or withdraw: the VM decides again')
  .option('--vrf <name>', 'where several VRFs have the address')
  .action(does(async (options, own: { vrf?: string }, ip) => (await import('./commands/override.ts')).auto(options, ip as string, own.vrf)));
verb(program, 'clear <prefix>', 'lift a hold after a conflict or flap, and forget a sequence that is too high')
  .option('--vrf <name>', 'where several VRFs have the address')
  .action(does(async (options, own: { vrf?: string }, prefix) => (await import('./commands/override.ts')).clear(options, prefix as string, own.vrf)));

verb(program, 'hint <state> <vm>', 'paused: a VM stands still here and is about to run elsewhere, so send its packets there; running: it runs here')
  .option('--to <node>', 'paused: the node that it goes to (default: the one that has said it is ready)')
  .option('--vrf <name>', 'where several VRFs have the VM')
  .action(does2(async (options, own: { to?: string; vrf?: string }, state, vm) => (await import('./commands/hint.ts')).hint(options, state, vm, own)));

verb(program, 'reload', 'read the configuration again, and apply what has changed')
  .option('--dry-run', 'only say what would change')
  .action(does(async (options, own: { dryRun?: true }) => (await import('./commands/reload.ts')).reload(options, own.dryRun === true)));
verb(program, 'drain', 'maintenance: all routes leave, and are then withdrawn, until undrain')
  .addOption(new Option('--wait <duration>', 'how long they are leaving (default: 5s)').argParser(duration))
  .action(does(async (options, own: { wait?: number }) => (await import('./commands/drain.ts')).drain(options, own.wait)));
verb(program, 'undrain', 'end drain: what lives here is announced again')
  .action(does(async (options) => (await import('./commands/drain.ts')).undrain(options)));

const config = verb(program, 'config', 'check, describe or begin a configuration');
verb(config, 'check [file]', 'check without a daemon; all errors at once')
  .action(does(async (options, _own, file) => (await import('./commands/config.ts')).configCheck({ file: file ?? options.config ?? defaultConfigFile, ...options })));
verb(config, 'schema', 'the JSON Schema of the configuration').action(does(async (options) => (await import('./commands/config.ts')).configSchema(options)));
verb(config, 'init', 'a commented starter file, from what this host has')
  .addOption(new Option('--platform <name>', 'whose port names to expect').choices(['kubevirt', 'libvirt', 'proxmox']))
  .action(does(async (options, own: { platform?: 'kubevirt' | 'libvirt' | 'proxmox' }) => (await import('./commands/config.ts')).configInit({ ...options, ...own })));

verb(program, 'doctor', 'preflight and health checks, each with its fix; with and without the daemon')
  .option('--strict', 'fail on warnings too')
  .option('--canary <prefix>', 'announce this unused address by hand for a while, and show what each router makes of it')
  .addOption(new Option('--for <duration>', 'how long the canary is announced at most (default: 1m)').argParser(duration))
  .action(does(async (options, own: DoctorOptions) => (await import('./commands/doctor.ts')).doctor(options, own)));
verb(program, 'probe <ip>', 'ICMP echo at up to 1 kHz; each gap with start and length')
  .addOption(new Option('--interval <duration>', 'between two requests, 1ms at least').argParser(duration).default(1, '1ms'))
  .addOption(new Option('--count <n>', 'end after so many requests').argParser(count))
  .addOption(new Option('--duration <duration>', 'end after this time (default: on Ctrl-C)').argParser(duration))
  .action(does(async (options, own: { interval: number; count?: number; duration?: number }, ip) =>
    (await import('./commands/probe.ts')).probe(options, { address: ip as string, intervalMs: own.interval, count: own.count, durationMs: own.duration })));
verb(program, 'decode [file]', 'BGP messages or frames, from pcap, pcapng, MRT or lines of hex, as a JSON object a line; - reads standard input')
  .option('--as4', 'AS numbers of 4 octets where no OPEN tells')
  .option('--filter <expression>', 'only packets of a capture that pass, in libpcap\'s language (needs the package pcap)')
  .action(does(async (options, own: { as4?: true; filter?: string }, file) => (await import('./commands/decode.ts')).decode(options, own, file)));
verb(program, 'replay <file>', 'a capture (or a folder of run --record) through the same decisions, offline; prints what would be sent')
  .option('--port <name>', 'where frames come in of which the file does not say it (default: the first of watch[0].ports.local)')
  .option('--expect <file>', 'fail unless the output is as in this file')
  .action(does(async (options, own: { port?: string; expect?: string }, file) => (await import('./commands/replay.ts')).replay(options, own, file as string)));
const debug = verb(program, 'debug', 'for bug reports');
verb(debug, 'bundle', 'one archive with all that the daemon and the host know, secrets removed')
  .option('--out <file>', 'where it goes (- is standard output)')
  .option('--recording <folder>', 'of run --record, where the daemon that recorded is gone')
  .action(does(async (options, own: { out?: string; recording?: string }) => (await import('./commands/debug.ts')).debugBundle(options, own)));
verb(program, 'tor-config <peer>', 'the router\'s side of a peering, from the configuration file')
  .addOption(new Option('--os <os>', 'the router\'s language').choices(['frr', 'bird', 'gobgp', 'openbgpd', 'eos', 'nxos', 'junos', 'sonic']).makeOptionMandatory())
  .addOption(new Option('--role <role>', 'tor: it peers with nodes; spine: behind ToRs; node: a router program on the node that owns the session').choices(['tor', 'spine', 'node']))
  .option('--asn <asn>', 'the router\'s own AS (default: that of the peer)')
  .option('--neighbor <address[@asn]>', 'a node of the ToR, a ToR of the spine; may be repeated (default: this node)', repeated)
  .option('--fabric <address@asn>', 'a session of the ToR towards the fabric; may be repeated', repeated)
  .action(does(async (options, own: TorConfigOptions, peer) => (await import('./commands/tor-config.ts')).torConfig(options, peer as string, own)));
verb(program, 'demo', 'a VM moves between two nodes under a TCP connection, with a router in between')
  .addOption(new Option('--vm <kind>', 'what moves: programs in a namespace, or a real VM').choices(['netns', 'qemu']))
  .addOption(new Option('--vms <n>', 'VMs that move together').argParser(count))
  .addOption(new Option('--migrations <n>', 'moves').argParser(count))
  .addOption(new Option('--tor <router>', 'the router').choices(['frr', 'bird', 'embedded']))
  .addOption(new Option('--mode <mode>', 'separate uplinks, or a VLAN stretched between the nodes').choices(['l3', 'l2']))
  .addOption(new Option('--flow <flow>', 'order of a QEMU migration: as libvirt drives it, or QEMU by itself').choices(['libvirt', 'plain']))
  .option('--cancel', 'QEMU: before each migration one that is cancelled')
  .addOption(new Option('--kill-destination [when]', 'QEMU: before each migration one whose destination is killed, while memory is copied or when it has loaded all').choices(['copying', 'loaded']))
  .option('--stragglers', 'QEMU: the same moves without stragglers and with them')
  .option('--hints', 'QEMU, with --stragglers: and with hints from a QMP watcher')
  .option('--baseline', 'the same moves without landfall too')
  .option('--json <file>', 'write all figures there')
  .option('--svg <file>', 'write the plot there')
  .option('--keep', 'keep configurations and logs')
  .action(does(async (_options, own: DemoOptions) => (await import('./demo/main.ts')).runDemo(own)));
verb(program, 'completion <shell>', 'shell completion for bash, zsh or fish')
  .action(does(async (_options, _own, shell) => (await import('./commands/completion.ts')).completion(shell as string, completionTree(program, ''))));

function repeated(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function verb(parent: Command, nameAndArguments: string, summary: string): Command {
  return parent.command(nameAndArguments).description(summary);
}

/** An action that gets the global options, its own, and its argument, and gives the exit status. */
function does<Own extends object>(work: (options: GlobalOptions, own: Own, argument: string | undefined) => Promise<number>, where: 'here' | 'anywhere' = 'here') {
  return async (...parameters: unknown[]): Promise<void> => {
    const command = parameters.at(-1) as Command;
    const argument = parameters.length > 2 ? (parameters[0] as string | undefined) : undefined;
    const options = globalOptions();
    if (options.nodes !== undefined && where === 'here') throw new CommandError(status.usage, '--node and --all-nodes are for status and show (not show config); for all else: kubectl exec');
    exitStatus = await work(options, command.opts<Own>(), argument);
    if (exitStatus === 0 && options.failedNodes.length > 0) exitStatus = status.failed;
  };
}

/** The same for a command with two arguments. */
function does2<Own extends object>(work: (options: GlobalOptions, own: Own, first: string, second: string) => Promise<number>) {
  return async (...parameters: unknown[]): Promise<void> => {
    const command = parameters.at(-1) as Command;
    exitStatus = await work(globalOptions(), command.opts<Own>(), parameters[0] as string, parameters[1] as string);
  };
}

function globalOptions(): GlobalOptions {
  const given = program.opts<{ config?: string; socket?: string; output: OutputFormat; watch?: number; headers: boolean; color: boolean; quiet?: true; verbose?: true; timeout: number; node?: string; allNodes?: true; namespace?: string }>();
  return {
    config: given.config, socket: given.socket, output: given.output, watchSeconds: given.watch, headers: given.headers,
    color: given.color && process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '',
    quiet: given.quiet === true, verbose: given.verbose === true, timeoutMs: given.timeout,
    nodes: given.allNodes === true ? 'all' : given.node, namespace: given.namespace, failedNodes: [],
  };
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Expected a duration such as 250ms, 3s, 2m or 1h.');
  return ms;
}

function watchSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?s?$/.test(text) ? parseFloat(text) : NaN;
  if (!(seconds >= 0.1 && seconds <= 86400)) throw new InvalidArgumentError('Expected seconds, from 0.1 to 86400.');
  return seconds;
}

function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Expected a whole number above 0.');
  return Number(text);
}

function completionTree(command: Command, path: string): CompletionTree[] {
  const options = [...command.options, ...(command === program ? [] : program.options)].map((option) => ({
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    summary: option.description, takesValue: option.required, values: option.argChoices ?? [], synopsis: option.flags,
  }));
  const verbs = command.commands.map((sub) => ({ name: sub.name(), summary: sub.description() }));
  const help = { flags: ['-h', '--help'], summary: 'print help', takesValue: false, values: [], synopsis: '-h, --help' };
  return [
    { path, usage: command.usage(), summary: command.description(), verbs, options: [...options, help] },
    ...command.commands.flatMap((sub) => completionTree(sub, `${path} ${sub.name()}`.trim())),
  ];
}

/** All commands and options, each command once, the program itself first. */
export function describeCommandLine(): CompletionTree[] {
  return completionTree(program, '');
}

/** The word behind `-w` is its value only where it is a number: any other is the verb, or what the verb is about. */
function attachWatch(words: readonly string[]): string[] {
  const end = words.indexOf('--');
  const isWatch = (at: number): boolean => (words[at] === '-w' || words[at] === '--watch') && (end < 0 || at < end);
  const isSeconds = (at: number): boolean => /^\d+(\.\d+)?s?$/.test(words[at] ?? '');
  return words.flatMap((word, at) => (isWatch(at) ? [`--watch=${isSeconds(at + 1) ? words[at + 1] : '2'}`] : isSeconds(at) && isWatch(at - 1) ? [] : [word]));
}

/** One sentence for whatever ends the command; LANDFALL_DEBUG=1 shows where it came from. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : status.usage;   // commander has said it
  if (process.env['LANDFALL_DEBUG'] === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  const message = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
  process.stderr.write(error instanceof CommandError ? `landfall: ${message}\n` : `landfall: unexpected: ${message} (LANDFALL_DEBUG=1 shows more)\n`);
  return error instanceof CommandError ? error.status : status.failed;
}

/** Runs one command line (without `node` and the program's name). @returns the exit status; whatever goes wrong has been said. */
export async function main(words: readonly string[]): Promise<number> {
  exitStatus = 0;
  try {
    await program.parseAsync(attachWatch(words), { from: 'user' });
    return exitStatus;
  } catch (error) {
    return explain(error);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : status.failed));
  process.stderr.on('error', () => undefined);
  process.on('uncaughtException', (error) => process.exit(explain(error)));
  process.on('unhandledRejection', (error) => process.exit(explain(error)));
  const result = await main(process.argv.slice(2));
  await new Promise((resolve) => process.stdout.write('', resolve));   // a pipe takes 64 KiB at a time: wait until its reader has it all
  process.exit(result);
}
