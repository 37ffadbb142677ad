import type { OutputFormat } from '../views/output.ts';

export const defaultConfigFile = '/etc/landfall/landfall.yaml';
export const defaultSocket = '/run/landfall/landfall.sock';

/** What every command may be given, before or after its name. */
export interface GlobalOptions {
  /** `-c` or LANDFALL_CONFIG; undefined: {@link defaultConfigFile}. */
  readonly config: string | undefined;
  /** `-s` or LANDFALL_SOCKET; undefined: what the file of `config` names, else {@link defaultSocket}. */
  readonly socket: string | undefined;
  readonly output: OutputFormat;
  /** `undefined`: once. */
  readonly watchSeconds: number | undefined;
  readonly headers: boolean;
  readonly color: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly timeoutMs: number;
  /** Speakers of Kubernetes nodes instead of the one here: one by its name, or `all`. */
  readonly nodes: string | undefined;
  /** Where their pods are; undefined: the pod's own, else `landfall-system`. */
  readonly namespace: string | undefined;
  /** Of `all`, those that did not answer: the command then fails. */
  readonly failedNodes: string[];
}

/** Exit statuses: 0 fine, and these. */
export const status = { failed: 1, usage: 2, config: 3, unreachable: 4, timeout: 5 } as const;

/** A command cannot go on. The message is a whole sentence for standard error. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly status: number;
  constructor(exitStatus: number, message: string) {
    super(message);
    this.status = exitStatus;
  }
}

/** Words for the person at the terminal; `-q` leaves them out. */
export function say(options: GlobalOptions, sentence: string): void {
  if (!options.quiet) process.stderr.write(`${sentence}\n`);
}

/** Data, and waits until a slow reader has room again. */
export async function printAll(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

/** Data. */
export function print(text: string): void {
  process.stdout.write(text);
}
