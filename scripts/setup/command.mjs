// Runs one outside command: quiet while it works, its last lines shown when it fails, never longer than its time limit.
import { spawn } from 'node:child_process';

const running = new Set();

/** Ends what is still running; called when the set-up itself is told to stop. */
export function stopCommands() {
  for (const child of running) killGroup(child, 'SIGKILL');
}

/**
 * @param {string} file program
 * @param {string[]} args its arguments
 * @param {{ seconds: number, cwd?: string, env?: NodeJS.ProcessEnv, lines?: number }} options `seconds`: the time limit; `lines`: how many are kept
 * @returns {Promise<{ ok: boolean, reason: string, output: string }>} `output`: the last lines of both streams
 */
export function runCommand(file, args, { seconds, cwd, env, lines: keptLines = 40 }) {
  return new Promise((resolve) => {
    // A process group of its own, so that a time-out reaches the compilers that npm has started.
    const child = spawn(file, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    running.add(child);
    let text = '';
    let timedOut = false;
    const keep = (chunk) => {
      text = (text + chunk.toString('utf8')).slice(-60_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const alarm = setTimeout(() => {
      timedOut = true;
      killGroup(child, 'SIGKILL');
    }, seconds * 1000);
    const finish = (ok, reason) => {
      clearTimeout(alarm);
      running.delete(child);
      const lines = text.trimEnd().split('\n');
      resolve({ ok, reason, output: lines.slice(-keptLines).join('\n') });
    };
    child.on('error', (error) => finish(false, error.code === 'ENOENT' ? `${file} is not installed` : error.message));
    child.on('close', (code, signal) => {
      if (timedOut) finish(false, `it did not end within ${seconds} s and was stopped`);
      else if (signal !== null) finish(false, `it was stopped by ${signal}`);
      else finish(code === 0, `exit status ${code}`);
    });
  });
}

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}
