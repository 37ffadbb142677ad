import { access } from 'node:fs';
import { connect } from 'node:net';
import type { GateCheck } from '../../config/config.ts';
import { printable } from '../../net/printable.ts';

/** What one check, or all of them together, said of a port. */
export interface GateAnswer {
  readonly open: boolean;
  /** In words, printable ASCII. */
  readonly text: string;
}

/** A check that has not answered after this time says shut, in milliseconds. */
const answerWithinMs = 1000;
/** Octets of an answer at most; what is longer is no answer. */
const answerLimit = 256;
/** Ports that are asked for at once; the others wait their turn, so that a thousand ports cost no thousand sockets. */
const atOnce = 32;

export interface GateKeeper {
  /** Asks every check about a port; `answered` is called once, in a later turn of the loop. */
  ask(ifindex: number, port: string): void;
  close(): void;
}

/**
 * Asks the configured checks whether the policy of a port is in force.
 * A `file` is open when it exists; a `unix` service is sent the line `PORT IFINDEX` and answers with a line `open` or `closed`, and a reason.
 */
export function openGateKeeper(checks: readonly GateCheck[], answered: (ifindex: number, port: string, answer: GateAnswer) => void): GateKeeper {
  const waiting = new Map<number, string>();
  let asking = 0;
  let closed = false;
  const next = (): void => {
    for (const [ifindex, port] of waiting) {
      if (closed || asking >= atOnce) return;
      waiting.delete(ifindex);
      asking += 1;
      void askAll(checks, ifindex, port).then((answer) => {
        asking -= 1;
        if (closed) return;
        answered(ifindex, port, answer);
        next();
      });
    }
  };
  return {
    ask(ifindex, port) {
      waiting.set(ifindex, port);
      next();
    },
    close() {
      closed = true;
      waiting.clear();
    },
  };
}

/** Open when every check is; else the words of the first that is not. Never rejects. */
async function askAll(checks: readonly GateCheck[], ifindex: number, port: string): Promise<GateAnswer> {
  const answers = await Promise.all(checks.map((check) => ('file' in check ? askFile(pathFor(check.file, port)) : askService(pathFor(check.unix, port), `${port} ${ifindex}`))));
  return answers.find(({ open }) => !open) ?? { open: true, text: answers.map(({ text }) => text).join('; ') };
}

/** The kernel lets no interface be called `..` or have a slash in its name, so the name stays one part of the path. */
function pathFor(pattern: string, port: string): string {
  return pattern.replaceAll('{port}', port.includes('/') ? '-' : port);
}

function askFile(path: string): Promise<GateAnswer> {
  return new Promise((resolve) => {
    access(path, (error) => resolve(error === null
      ? { open: true, text: `${printable(path, 200)} is there` }
      : { open: false, text: `${printable(path, 200)} ${error.code === 'ENOENT' ? 'is not there' : `can't be looked at: ${error.code}`}` }));
  });
}

function askService(path: string, line: string): Promise<GateAnswer> {
  return new Promise((resolve) => {
    const name = printable(path, 200);
    let heard = '';
    const socket = connect(path);
    const tell = (open: boolean, text: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ open, text: `${name}: ${text}` });
    };
    const timer = setTimeout(() => tell(false, `no answer within ${answerWithinMs} ms`), answerWithinMs);
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('data', (text: string) => {
      heard += text;
      const end = heard.indexOf('\n');
      if (end >= 0 || heard.length > answerLimit) tell(/^open(\s|$)/.test(heard.slice(0, end)), printable(heard.slice(0, end < 0 ? 60 : end).trim(), 100));
    });
    socket.on('end', () => tell(/^open(\s|$)/.test(heard), heard === '' ? 'no answer' : printable(heard.trim(), 100)));
    socket.on('error', (error) => tell(false, (error as NodeJS.ErrnoException).code ?? 'failed'));
  });
}
