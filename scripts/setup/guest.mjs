// The small Linux VM of `npm run demo -- --vm qemu`: Debian's cloud kernel and busybox out of their packages, which are unpacked and not
// installed, and the programs in src/demo/vm/guest.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runCommand } from './command.mjs';
import { hashOf } from './stamp.mjs';

const sources = ['src/demo/vm/guest', 'scripts/setup/guest.mjs'];
/** What the VM's network card needs; `depends` of each brings the rest. */
const wantedModules = ['virtio_pci', 'virtio_net'];
const kernelPackage = 'linux-image-cloud-amd64';

/** The folder of the finished VM. */
export const guestFolder = (root) => join(root, '.guest');

export const guestKey = (root) => hashOf(root, sources);

/** Makes `vmlinuz`, `initramfs.gz` and `about.json`. Throws with what went wrong, in words. */
export async function buildGuest(root) {
  if (process.arch !== 'x64') throw new Error('the VM is made from packages for amd64 only');
  const work = mkdtempSync(join(tmpdir(), 'landfall-guest-'));
  try {
    const depends = await must('apt-cache', ['depends', '--important', kernelPackage], work);
    const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
    if (kernel === undefined) throw new Error(`apt knows no ${kernelPackage}: run apt-get update first`);
    await must('apt-get', ['-q', '-o', 'Acquire::Retries=3', 'download', kernel, 'busybox-static'], work);
    const tree = join(work, 'tree');
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb'))) await must('dpkg-deb', ['-x', file, tree], work);
    const program = join(work, 'guest');
    await must('cc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, join(root, 'src/demo/vm/guest/guest.c')], work);
    const version = kernel.replace('linux-image-', '');
    const made = join(work, 'made');
    mkdirSync(made);
    copyFileSync(join(tree, 'boot', `vmlinuz-${version}`), join(made, 'vmlinuz'));
    writeFileSync(join(made, 'initramfs.gz'), gzipSync(archive(filesOf(root, tree, version, program))));
    writeFileSync(join(made, 'about.json'), `${JSON.stringify({ kernel: version })}\n`);
    place(made, guestFolder(root));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function must(file, args, cwd) {
  const done = await runCommand(file, args, { seconds: 300, cwd, env: { ...process.env, LC_ALL: 'C' } });
  if (!done.ok) throw new Error(`${file} ${args[0]} failed (${done.reason}): ${done.output}`);
  return done.output;
}

/** Copied under another name and then renamed: the scratch folder may be on another file system. */
function place(from, to) {
  const fresh = `${to}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  for (const name of readdirSync(from)) copyFileSync(join(from, name), join(fresh, name));
  rmSync(to, { recursive: true, force: true });
  renameSync(fresh, to);
}

function filesOf(root, tree, version, program) {
  const paths = modulePaths(join(tree, 'lib/modules', version, 'kernel'));
  const modules = inLoadingOrder(paths);
  const directories = ['bin', 'dev', 'lib', 'proc', 'sys'].map((name) => ({ name, mode: 0o040755 }));
  return [
    ...directories,
    { name: 'dev/console', mode: 0o020600, device: [5, 1] },
    { name: 'init', mode: 0o100755, content: readFileSync(join(root, 'src/demo/vm/guest/init')) },
    { name: 'bin/busybox', mode: 0o100755, content: readFileSync(join(tree, 'bin/busybox')) },
    { name: 'bin/guest', mode: 0o100755, content: readFileSync(program) },
    ...modules.map((module) => ({ name: `lib/${module}.ko`, mode: 0o100644, content: readFileSync(paths.get(module)) })),
    { name: 'lib/modules.list', mode: 0o100644, content: Buffer.from(modules.map((module) => `${module}.ko\n`).join('')) },
  ];
}

/** Name → file of every module; names have underscores where files may have hyphens. */
function modulePaths(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((path) => path.endsWith('.ko'));
  return new Map(files.map((path) => [basename(path, '.ko').replaceAll('-', '_'), join(folder, path)]));
}

/** The wanted modules, each after those that it depends on (`depends=` in its .modinfo section). One that is not there is built in. */
function inLoadingOrder(paths) {
  const order = new Set();
  const add = (module) => {
    if (order.has(module) || !paths.has(module)) return;
    const depends = /(?:^|\0)depends=([^\0]*)\0/.exec(readFileSync(paths.get(module), 'latin1'))?.[1] ?? '';
    for (const other of depends.split(',').filter((name) => name !== '')) add(other.replaceAll('-', '_'));
    order.add(module);
  };
  wantedModules.forEach(add);
  return [...order];
}

/** A cpio archive in the `newc` format, as the kernel unpacks it. */
function archive(files) {
  const entries = [...files, { name: 'TRAILER!!!', mode: 0 }];
  return Buffer.concat(entries.flatMap(({ name, mode, content = Buffer.alloc(0), device = [0, 0] }, index) => {
    const links = (mode & 0o170000) === 0o040000 ? 2 : 1;
    const fields = [index + 1, mode, 0, 0, links, 0, content.length, 0, 0, ...device, name.length + 1, 0];
    const head = Buffer.from(`070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}${name}\0`);
    return [padded(head), padded(content)];
  }));
}

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
