import type { Namespaces } from './namespaces.ts';
import { Daemon, scriptCommand, waitFor } from './processes.ts';

/** Omit that keeps the members of a union apart. */
type WithoutId<T> = T extends { id: number } ? Omit<T, 'id'> : T;

interface Told {
  readonly event: string;
  readonly id?: number;
  readonly text?: string;
}

/**
 * One of this folder's scripts, run inside a namespace and talked to in JSON lines. It says `ready` once; the answer to a command bears
 * the command's `id`, and `failed` is an answer, too. All else it says goes to `onEvent`.
 */
export class Script<Command extends object> {
  readonly name: string;
  readonly #daemon: Daemon;
  readonly #waiting = new Map<number, { resolve: (event: Told) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  #ready = false;

  constructor(namespaces: Namespaces, short: string, script: string, onEvent: (event: Told) => void = () => undefined) {
    this.name = `${short}/${script}`;
    this.#daemon = new Daemon(this.name, namespaces.exec(short, scriptCommand(script)), {
      onLine: (line) => {
        if (line.startsWith('{')) this.#heard(JSON.parse(line) as Told, onEvent);
      },
    });
    void this.#daemon.ended.then(() => {
      for (const { reject } of this.#waiting.values()) reject(this.#gone());
    });
  }

  #heard(event: Told, onEvent: (event: Told) => void): void {
    const answered = event.id === undefined ? undefined : this.#waiting.get(event.id);
    if (event.event === 'ready') this.#ready = true;
    else if (answered === undefined || event.event === 'paused' || event.event === 'resumed') onEvent(event);
    else {
      this.#waiting.delete(event.id as number);
      if (event.event === 'failed') answered.reject(new Error(`${this.name}: ${event.text}`));
      else answered.resolve(event);
    }
  }

  #gone(): Error {
    return new Error(`${this.name} has ended: ${this.#daemon.tail}`);
  }

  /** Resolves when it has said that it is ready. */
  async started(): Promise<void> {
    await waitFor(`${this.name} to start`, 20_000, () => {
      if (!this.#daemon.alive) throw this.#gone();
      return this.#ready;
    }, 10);
  }

  /** A number for {@link ask} that no other command bears. */
  newId(): number {
    return this.#nextId++;
  }

  /** Sends a command that nobody answers. */
  tell(command: Command): void {
    this.#daemon.tell(command);
  }

  /** Sends a command and resolves with its answer. Rejects when the script says that it failed, or ends. */
  ask<Event extends object>(command: WithoutId<Command>, id = this.newId()): Promise<Event> {
    return new Promise((resolve, reject) => {
      if (!this.#daemon.alive) return reject(this.#gone());
      this.#waiting.set(id, { resolve: resolve as unknown as (event: Told) => void, reject });
      this.#daemon.tell({ ...command, id });
    });
  }

  stop(): Promise<void> {
    return this.#daemon.stop();
  }
}
