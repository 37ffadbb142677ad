import { formatErrors } from '../config/errors.ts';
import { Daemon, type DaemonOptions } from './daemon/life.ts';
import { StartFailed } from './daemon/start-failed.ts';
import { openConfigSource, type Read } from './io/config-source.ts';
import { openKubernetes, type Kubernetes } from './io/kubernetes.ts';
import { createLog } from './log.ts';

/** Runs until it is told to stop. @returns the exit status: 0, 1 (can't run here), 3 (configuration not valid). */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  let kubernetes: Kubernetes | undefined;
  const source = openConfigSource(options.configFile, { environment: process.env, nodeLabels: () => kubernetes?.labels() });
  let loaded = source.read();
  if (loaded.config === undefined) return sayNotValid(loaded);
  const log = createLog(loaded.config.log);
  if (loaded.config.kubernetes.enabled) {
    // What the labels select is part of what a start can't do without, so it waits for them, though not for long.
    kubernetes = await openKubernetes({
      config: loaded.config.kubernetes, node: loaded.config.node.name, environment: process.env, events: !options.dryRun, log,
      ...(loaded.config.state?.file === undefined ? {} : { stateFile: loaded.config.state.file }),
    });
    loaded = source.read();
    if (loaded.config === undefined) return sayNotValid(loaded);
    log.setLevel(loaded.config.log.level);
    log.setFormat(loaded.config.log.format);
  }
  const { config } = loaded;
  for (const warning of loaded.warnings) log.child({ room: 'config' }).write('warn', 'config.warning', { text: formatErrors([warning]) });
  const daemon = new Daemon(config, options, log, source, kubernetes);
  // A belief of ours was false: say so once and end, so that the supervisor starts anew; nothing goes on half alive.
  process.on('uncaughtException', (error) => {
    daemon.sayNow();
    log.write('error', 'daemon.failed', { text: `internal error: ${error.message}`, stack: error.stack });
    log.flush();
    process.exit(70);
  });
  try {
    // Who is told to stop while it starts stops.
    await Promise.race([daemon.start(loaded), daemon.ended]);
  } catch (error) {
    await daemon.close();
    if (!(error instanceof Error)) throw error;
    log.write('error', 'daemon.failed', { text: error.message });
    log.flush();
    return error instanceof StartFailed ? error.status : 1;
  }
  return daemon.ended;
}

function sayNotValid({ errors }: Read): 3 {
  process.stderr.write(`${formatErrors(errors)}\n`);
  return 3;
}
