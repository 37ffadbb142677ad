import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { makePrefix, parseIp, parsePrefix, type IpAddress, type Prefix } from '../../../net/ip.ts';

/** Marks our routes among the kernel's, as a number of its own in the protocol field (186 is BGP: /etc/iproute2/rt_protos). */
const protocol = 186;

/**
 * The kernel's routes of the embedded router, written through one `ip -batch` that stays for as long as the router runs:
 * starting a program for each change would cost more than the change. `replace` leaves a prefix one next hop, never two.
 */
export class KernelRoutes {
  readonly #onProblem: (text: string) => void;
  #child: ChildProcess | undefined;
  #lines: string[] = [];

  constructor(onProblem: (text: string) => void) {
    this.#onProblem = onProblem;
  }

  set(prefix: Prefix, nextHop: IpAddress | undefined): void {
    this.#lines.push(nextHop === undefined ? `route del ${prefix} proto ${protocol}` : `route replace ${prefix} via ${nextHop} proto ${protocol}`);
  }

  /** Hands over what was set since the last time. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    this.#child ??= this.#start();
    this.#child.stdin?.write(text);
  }

  #start(): ChildProcess {
    // -force: one refused line (an interface that just went down) must not end the batch. Detached: Ctrl-C is for the router, which
    // still has routes to remove.
    const child = spawn('ip', ['-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'pipe'], detached: true });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) if (line !== '' && !line.startsWith('Command failed')) this.#onProblem(`ip route: ${line}`);
    });
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => this.#onProblem(`ip: ${error.message}`));
    child.on('close', () => {
      if (this.#child === child) this.#child = undefined;
    });
    return child;
  }

  /** Ends `ip` after it has done all that it was told. */
  close(): Promise<void> {
    this.flush();
    const child = this.#child;
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      child.on('close', () => resolve());
      child.stdin?.end();
    });
  }
}

/** What a router that was killed has left in the kernel. */
export function leftoverRoutes(): Prefix[] {
  return ['-4', '-6'].flatMap((family) => {
    try {
      const text = execFileSync('ip', [family, '-j', 'route', 'show', 'proto', String(protocol)], { encoding: 'utf8', timeout: 5000 });
      const routes = JSON.parse(text === '' ? '[]' : text) as { dst: string }[];
      return routes.flatMap(({ dst }) => prefixOf(dst) ?? []);
    } catch {
      return [];
    }
  });
}

/** `ip` leaves the length of a host route out. */
function prefixOf(text: string): Prefix | undefined {
  if (text.includes('/')) return parsePrefix(text);
  const address = parseIp(text);
  return address === undefined ? undefined : makePrefix(address, address.includes(':') ? 128 : 32);
}
