import type { ListReply, MigrationItem, PeerItem, StatusItem } from '../views/items.ts';
import { topScreen, type TopSample, type TopState } from '../views/top.ts';
import { ask } from './ask.ts';
import { CommandError, status, type GlobalOptions } from './global.ts';

/** Seconds between two looks, unless `-w` says another number. */
const everySeconds = 1;
/** Handovers older than this many seconds are not asked for. */
const sinceSeconds = 86_400;

// The alternate screen without a cursor, and back.
const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';

/** `landfall top`: a screen that renews itself until `q`. @returns the exit status. @throws CommandError without a terminal, or without a daemon at the start. */
export async function top(options: GlobalOptions): Promise<number> {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY) throw new CommandError(status.usage, 'top needs a terminal; landfall status, show migrations -w and events -f do without');
  let state: TopState = { now: await sample(options) };
  const draw = (): void => {
    stdout.write(`\x1b[H${topScreen(state, { columns: stdout.columns, rows: stdout.rows }).map(({ text, tone }) => `${paint(text, tone, options.color)}\x1b[K`).join('\r\n')}\x1b[J`);
  };
  return new Promise((resolve, reject) => {
    let ended = false;
    let timer: NodeJS.Timeout | undefined;
    const restore = (): void => {
      stdin.setRawMode(false);
      stdout.write(leave);
    };
    const end = (finish: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      stdout.off('resize', draw);
      stdin.off('data', onKey);
      for (const signal of signals) process.off(signal, quit);
      stdin.pause();
      restore();
      finish();
    };
    const quit = (): void => end(() => resolve(0));
    const onKey = (keys: Buffer): void => {
      if (/[qQ\x03\x04]/.test(keys.toString('latin1'))) quit();
    };
    const look = async (): Promise<void> => {
      try {
        const now = await sample(options);
        state = { now, before: state.now };
      } catch (error) {
        if (!(error instanceof CommandError)) return end(() => reject(error instanceof Error ? error : new Error(String(error))));
        state = { now: state.now, trouble: error.message };
      }
      if (ended) return;
      draw();
      timer = setTimeout(() => void look(), (options.watchSeconds ?? everySeconds) * 1000);
    };
    stdout.write(enter);
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on('data', onKey);
    stdout.on('resize', draw);
    for (const signal of signals) process.on(signal, quit);
    draw();
    timer = setTimeout(() => void look(), (options.watchSeconds ?? everySeconds) * 1000);
  });
}

const signals = ['SIGTERM', 'SIGHUP'] as const;

async function sample(options: GlobalOptions): Promise<TopSample> {
  const atMs = performance.now();
  const [about, peers, migrations] = await Promise.all([
    ask(options, '/v1/status') as Promise<ListReply<StatusItem>>, ask(options, '/v1/peers') as Promise<ListReply<PeerItem>>,
    ask(options, '/v1/migrations', { sinceSeconds }) as Promise<ListReply<MigrationItem>>,
  ]);
  return { atMs, time: about.time, status: about.items[0] as StatusItem, peers: peers.items, migrations: migrations.items };
}

function paint(text: string, tone: 'title' | 'bad' | undefined, color: boolean): string {
  if (!color || tone === undefined || text === '') return text;
  return tone === 'title' ? `\x1b[1m${text}\x1b[22m` : `\x1b[31m${text}\x1b[39m`;
}
