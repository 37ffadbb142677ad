import { keepCodeCompiled, keepHeapSmall } from '../io/heap.ts';
import { defaultConfigFile, type GlobalOptions } from './global.ts';

/** `run [--dry-run] [--record FOLDER]`: the daemon itself, until a signal ends it. */
export async function run(options: GlobalOptions, dryRun: boolean, record?: string): Promise<number> {
  keepHeapSmall();
  keepCodeCompiled();
  const { runDaemon } = await import('../daemon.ts');
  return runDaemon({ configFile: options.config ?? defaultConfigFile, ...(options.socket === undefined ? {} : { socket: options.socket }), ...(record === undefined ? {} : { record }), dryRun });
}
