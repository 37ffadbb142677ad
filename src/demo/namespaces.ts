import { findProgram, must, run } from './processes.ts';

/**
 * The network namespaces of one topology, all named `lf<pid>-…`, so that two runs on one host never meet and leftovers can be
 * told apart.
 */
export class Namespaces {
  readonly prefix: string;
  #names: string[] = [];

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** The full name of namespace `short`, as `ip netns` lists it. */
  name(short: string): string {
    return `${this.prefix}-${short}`;
  }

  /** Makes namespaces with loopback up, no duplicate address detection and forwarding as asked. */
  async create(short: string, options: { forwarding?: boolean } = {}): Promise<void> {
    const name = this.name(short);
    await must(['ip', 'netns', 'add', name]);
    this.#names.push(name);
    await this.sysctl(short, {
      'net/ipv6/conf/all/accept_dad': 0,
      'net/ipv6/conf/default/accept_dad': 0,
      'net/ipv6/conf/default/dad_transmits': 0,
      'net/ipv6/conf/default/router_solicitations': 0,
      'net/ipv4/conf/all/rp_filter': 0,
      'net/ipv4/conf/default/rp_filter': 0,
      ...(options.forwarding === true ? { 'net/ipv4/ip_forward': 1, 'net/ipv6/conf/all/forwarding': 1, 'net/ipv6/conf/default/forwarding': 1 } : {}),
    });
    await this.ip(short, ['link set lo up']);
  }

  /** Sets kernel parameters inside one namespace, `net/ipv4/ip_forward` style. */
  async sysctl(short: string, values: Readonly<Record<string, number>>): Promise<void> {
    const lines = Object.entries(values).map(([key, value]) => `echo ${value} > /proc/sys/${key}`);
    await must(this.exec(short, ['sh', '-ec', lines.join('\n')]));
  }

  /** The command line that runs `command` inside namespace `short`. */
  exec(short: string, command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.name(short), ...command];
  }

  /** Runs `ip` commands, in order, inside one namespace; `@x` in them stands for the full name of namespace x. */
  async ip(short: string, lines: readonly string[]): Promise<void> {
    const input = lines.map((line) => line.replaceAll(/@([\w-]+)/g, (_, other: string) => this.name(other))).join('\n');
    await must(['ip', '-n', this.name(short), '-batch', '-'], { input: `${input}\n` });
  }

  /** What `ip -json …` says inside one namespace. */
  async ipJson(short: string, args: readonly string[]): Promise<unknown[]> {
    const text = await must(['ip', '-n', this.name(short), '-json', ...args]);
    return text.trim() === '' ? [] : (JSON.parse(text) as unknown[]);
  }

  /** Deletes them all, with whatever still runs inside (only programs that were started for them do). Never throws. */
  async removeAll(): Promise<void> {
    await Promise.all(this.#names.splice(0).map((name) => removeNamespace(name)));
  }
}

async function removeNamespace(name: string): Promise<void> {
  const pids = (await run(['ip', 'netns', 'pids', name])).stdout.split('\n').map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
  await run(['ip', 'netns', 'delete', name]);
}

/** Removes every namespace whose name begins with `prefix`: what is left when a run broke off. Returns their names. */
export async function removeLeftovers(prefix: string): Promise<string[]> {
  const listed = (await run(['ip', 'netns', 'list'])).stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
  const left = listed.filter((name) => name.startsWith(prefix));
  await Promise.all(left.map((name) => removeNamespace(name)));
  return left;
}

/** What keeps this machine from running the demo, in words; empty when nothing does. */
export function missingPrograms(): string[] {
  return ['ip', 'sh'].filter((program) => findProgram(program) === undefined).map((program) => (program === 'ip' ? 'ip (package iproute2)' : program));
}
