import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';

/** The socket cannot be opened as asked. The message is a whole sentence for the operator. */
export class SocketFileError extends Error {
  override name = 'SocketFileError';
}

export interface SocketFileOptions {
  readonly path: string;
  /** Permission bits, e.g. 0o660. */
  readonly mode: number;
  /** Name or number of the group that the file is given to. */
  readonly group?: string;
}

/** sockaddr_un: 108 octets with the final NUL (unix(7)). */
const pathLimit = 107;

/**
 * Lets `server` listen on a Unix socket file whose owner and mode are right before anyone can connect: it is bound with an empty
 * mode, in the same turn given its group, then its mode. The file of a dead process is replaced; a live one, a file that is no
 * socket, an unknown group are errors.
 * @returns a function that removes the file if it is still the one made here.
 * @throws SocketFileError
 */
export async function listenOnFile(server: Server, options: SocketFileOptions): Promise<() => void> {
  const { path, mode } = options;
  if (Buffer.byteLength(path) > pathLimit) throw new SocketFileError(`the socket path ${path} is longer than ${pathLimit} bytes`);
  const gid = options.group === undefined ? undefined : findGroup(options.group);
  try {
    makeFolder(dirname(path));
  } catch (error) {
    throw new SocketFileError(`cannot make the folder ${dirname(path)} for the socket: ${reason(error)}`);
  }
  await clearStale(path);
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new SocketFileError(`cannot listen on ${path}: ${reason(error)}`)));
    server.once('listening', resolve);
  });
  const umask = process.umask(0o777);
  try {
    server.listen(path);   // binds before it returns
  } finally {
    process.umask(umask);
  }
  let inode: bigint | undefined;
  try {
    inode = lstatSync(path, { bigint: true }).ino;
    if (gid !== undefined) chownSync(path, -1, gid);
    chmodSync(path, mode);
  } catch (error) {
    if (inode !== undefined) {
      listening.catch(() => undefined);
      server.close();
      const to = options.group === undefined ? '' : ` to group ${options.group}`;
      throw new SocketFileError(`cannot give ${path}${to} mode ${mode.toString(8).padStart(4, '0')}: ${reason(error)}`);
    }
  }
  await listening;
  return () => {
    try {
      if (lstatSync(path, { bigint: true }).ino === inode) unlinkSync(path);
    } catch {
      // gone already
    }
  };
}

/** With its parents. Not by `recursive`, which goes round for ever where a parent exists and takes no folder (/proc; Node 20). */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    mkdirSync(path, 0o755);
  }
}

/** Removes a socket file on which nobody listens any more. */
async function clearStale(path: string): Promise<void> {
  let stat;
  try {
    stat = lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new SocketFileError(`cannot look at ${path}: ${reason(error)}`);
  }
  if (!stat.isSocket()) throw new SocketFileError(`${path} exists and is no socket; it is left alone: choose another api.socket, or remove it`);
  const answer = await tryConnect(path);
  if (answer === 'ENOENT') return;
  if (answer === 'connected' || answer === 'EAGAIN') {
    throw new SocketFileError(`a process listens on ${path} already, probably another landfall: stop it, or choose another api.socket`);
  }
  if (answer !== 'ECONNREFUSED') throw new SocketFileError(`cannot tell whether a process listens on ${path}: ${answer}`);
  try {
    unlinkSync(path);
  } catch (error) {
    throw new SocketFileError(`cannot remove ${path}, left by a process that is gone: ${reason(error)}`);
  }
}

function tryConnect(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
  });
}

/** Node has no getgrnam(3): local groups by name, all others (LDAP …) by number. */
function findGroup(group: string): number {
  if (/^\d{1,10}$/.test(group)) return Number(group);
  const line = readFileSync('/etc/group', 'utf8').split('\n').find((entry) => entry.startsWith(`${group}:`));
  const gid = Number(line?.split(':')[2] ?? NaN);
  if (!Number.isInteger(gid)) throw new SocketFileError(`there is no group ${group} in /etc/group: create it, or set api.group to another name or number`);
  return gid;
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES': case 'EPERM': return `permission denied (${code})`;
    case 'ENOENT': return 'no such folder (ENOENT)';
    case 'EROFS': return 'the file system is read-only (EROFS)';
    case 'EADDRINUSE': return 'it is in use (EADDRINUSE)';
    default: return code ?? message;
  }
}
