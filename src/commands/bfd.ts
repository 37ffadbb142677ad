import { createServer } from 'node:net';
import { BfdServer } from '../../bfd/io/server.ts';
import { createLog } from '../log.ts';
import { keepHeapSmall } from '../io/heap.ts';
import { listenSignals } from '../io/signals.ts';
import { listenOnFile, SocketFileError } from '../io/socket-file.ts';
import { notifySupervisor, setScheduling } from '../io/supervisor.ts';
import { CommandError, status } from './global.ts';

/** `bfd --listen PATH [--transient]`: the process that watches the routers for the daemon, until a signal ends it. */
export async function bfd(path: string, transient: boolean): Promise<number> {
  keepHeapSmall();
  // Late by a few hundred milliseconds is dead, in BFD: ahead of all other work, where that is allowed.
  try {
    setScheduling('fifo', 20);
  } catch {
    // with the scheduling that it has
  }
  const log = createLog({ level: 'info', format: 'auto' }).child({ room: 'bfd' });
  const server = createServer();
  try {
    const remove = await listenOnFile(server, { path, mode: 0o600 });
    const bfdServer = new BfdServer(server, { endsWhenIdle: transient, onProblem: (text) => log.write('warn', 'bfd.problem', { text }) });
    const ignore = listenSignals({ stop: () => bfdServer.stop() });
    notifySupervisor('READY=1');
    await bfdServer.ended;
    ignore();
    remove();
    log.flush();
    return 0;
  } catch (error) {
    if (error instanceof SocketFileError) throw new CommandError(status.failed, error.message);
    throw error;
  }
}
