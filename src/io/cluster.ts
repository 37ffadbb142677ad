import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { printable } from '../../net/printable.ts';
import { callApiServer, readJson, whereApiServer, type ApiServer } from './kubernetes/api.ts';

/** The API server does not give what was asked. The message is a whole sentence. */
export class ClusterError extends Error {
  override name = 'ClusterError';
}

/** GET on the API server, as JSON. @throws ClusterError */
export type AskCluster = (path: string, timeoutMs: number) => Promise<unknown>;

const podServiceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';
const outputLimit = 64 * 1024 * 1024;

/**
 * Inside a pod with its service account; anywhere else by kubectl, which knows every way in that a kubeconfig can name. kubectl is the
 * user's own: its context and `KUBECONFIG` hold.
 */
export function openCluster(environment: Readonly<Record<string, string | undefined>>, serviceAccount = podServiceAccount): { readonly ask: AskCluster; readonly namespace?: string } {
  const where = whereApiServer(undefined, environment);
  if (where === undefined || !existsSync(`${serviceAccount}/token`)) return { ask: askByKubectl };
  const server: ApiServer = { ...where, serviceAccount };
  return { ask: (path, timeoutMs) => askAsPod(server, path, timeoutMs), ...namespaceOf(serviceAccount) };
}

async function askAsPod(server: ApiServer, path: string, timeoutMs: number): Promise<unknown> {
  try {
    return await readJson(await callApiServer(server, { method: 'GET', path, timeoutMs }));
  } catch (error) {
    throw new ClusterError((error as Error).message);
  }
}

function namespaceOf(serviceAccount: string): { readonly namespace?: string } {
  try {
    return { namespace: readFileSync(`${serviceAccount}/namespace`, 'utf8').trim() };
  } catch {
    return {};
  }
}

function askByKubectl(path: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    // Its own --request-timeout would become a parameter of the request, which goes through to the speaker.
    const child = spawn('kubectl', ['get', '--raw', path], { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    let length = 0;
    let said = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const fail = (message: string): void => {
      clearTimeout(timer);
      reject(new ClusterError(message));
    };
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > outputLimit) child.kill('SIGKILL');
      else chunks.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => { said = (said + chunk.toString('utf8')).slice(-4000); });
    child.on('error', ({ code = '' }: NodeJS.ErrnoException) => fail(code === 'ENOENT' ? 'kubectl is not installed here (or not in PATH); --node and --all-nodes ask by way of it' : `kubectl can't be run: ${code}`));
    child.on('close', (status, signal) => {
      if (status !== 0) return fail(signal !== null ? 'kubectl gave no answer in time' : printable(said.trim().split('\n').at(-1) ?? '', 300) || `kubectl ended with ${status}`);
      clearTimeout(timer);
      try {
        resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown);
      } catch {
        reject(new ClusterError('what answers there is not landfall\'s API: kubernetes.enabled is off there, or another version runs'));
      }
    });
  });
}
