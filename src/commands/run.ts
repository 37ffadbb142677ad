import { keepHeapSmall } from '../io/heap.ts';
import { defaultConfigFile, type GlobalOptions } from './global.ts';

/** `run [--dry-run]`: the daemon itself, until a signal ends it. */
export async function run(options: GlobalOptions, dryRun: boolean): Promise<number> {
  keepHeapSmall();
  const { runDaemon } = await import('../daemon.ts');
  return runDaemon({ configFile: options.config ?? defaultConfigFile, ...(options.socket === undefined ? {} : { socket: options.socket }), dryRun });
}
