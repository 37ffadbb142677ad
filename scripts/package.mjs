#!/usr/bin/env node
// `npm run package [-- --out FOLDER --version X.Y.Z]`: a .deb for this machine's architecture, with the Node that runs this script inside.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, lutimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { makeManualPage } from './package/man.mjs';
import { copyPackage, licencesOf, productionPackages } from './package/production.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values: options } = parseArgs({ options: { out: { type: 'string', default: root }, version: { type: 'string' } } });
const product = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const version = options.version ?? product.version;
const bare = { hostName: 'this-host', platform: undefined, bridges: [], addresses: [], gateway: undefined, speakers: [], guests: [], openVswitchPorts: [] };

const run = (file, args) => execFileSync(file, args, { encoding: 'utf8', cwd: root, maxBuffer: 1 << 26 }).trimEnd();
const load = (path) => import(pathToFileURL(join(root, 'dist', path)).href);

/** The date of all files: a build from the same commit gives the same package. */
function buildSeconds() {
  if (process.env.SOURCE_DATE_EPOCH !== undefined) return Number(process.env.SOURCE_DATE_EPOCH);
  try {
    return Number(run('git', ['log', '-1', '--format=%ct']));
  } catch {
    return Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000);   // no clone: an unpacked archive
  }
}

function put(tree, path, content, mode = 0o644) {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

const copy = (tree, from, path, mode) => put(tree, path, readFileSync(join(root, from)), mode);
const packed = (text) => gzipSync(text, { level: 9 });

/** Node itself: what Debian 12 has is too old. The very one that runs here, for which the add-ons were compiled. */
function putNode(tree) {
  put(tree, 'usr/lib/landfall/bin/node', readFileSync(process.execPath), 0o755);
}

function putProduct(tree) {
  const home = join(tree, 'usr/lib/landfall');
  cpSync(join(root, 'dist'), join(home, 'dist'), { recursive: true, filter: (file) => !/\.(map|d\.ts|deb)$/.test(file) });
  put(tree, 'usr/lib/landfall/package.json', `${JSON.stringify({ ...product, version, devDependencies: undefined, scripts: undefined }, undefined, 2)}\n`);
  if (existsSync(join(home, 'dist/package.json'))) {
    const inner = JSON.parse(readFileSync(join(home, 'dist/package.json'), 'utf8'));
    put(tree, 'usr/lib/landfall/dist/package.json', `${JSON.stringify({ ...inner, ...(inner.version === undefined ? {} : { version }) }, undefined, 2)}\n`);
  }
  copy(tree, 'native/build/landfall.node', 'usr/lib/landfall/native/build/landfall.node');
  copy(tree, 'native/build/landfall-janitor', 'usr/lib/landfall/native/build/landfall-janitor', 0o755);
  const packages = productionPackages(root).filter((path) => copyPackage(root, path, home));
  put(tree, 'usr/bin/landfall', '#!/bin/sh\nexec /usr/lib/landfall/bin/node /usr/lib/landfall/dist/src/cli.js "$@"\n', 0o755);
  return packages;
}

async function putWords(tree, packages, seconds) {
  const [{ describeCommandLine }, { makeStarter }] = [await load('src/cli.js'), await load('config/starter.js')];
  const date = new Date(seconds * 1000).toISOString().slice(0, 10);
  put(tree, 'usr/share/man/man8/landfall.8.gz', packed(makeManualPage(describeCommandLine(), { version, date })));
  const shells = { bash: 'usr/share/bash-completion/completions/landfall', zsh: 'usr/share/zsh/vendor-completions/_landfall', fish: 'usr/share/fish/vendor_completions.d/landfall.fish' };
  for (const [shell, path] of Object.entries(shells)) put(tree, path, `${run(process.execPath, ['dist/src/cli.js', 'completion', shell])}\n`);
  const starter = makeStarter(bare, 'libvirt');
  put(tree, 'etc/landfall/landfall.yaml', starter);
  put(tree, 'usr/share/landfall/landfall.starter.yaml', starter);   // postinst compares: an example is not started
  copy(tree, 'docs/landfall.schema.json', 'usr/share/landfall/landfall.schema.json');
  const doc = 'usr/share/doc/landfall';
  for (const name of readdirSync(join(root, 'docs'), { recursive: true })) if (/\.(md|svg|png)$/.test(name) && !name.startsWith('decisions')) copy(tree, `docs/${name}`, `${doc}/docs/${name}`);
  for (const name of readdirSync(join(root, 'examples'))) copy(tree, `examples/${name}`, `${doc}/examples/${name}`);
  put(tree, `${doc}/changelog.gz`, packed(readFileSync(join(root, 'CHANGELOG.md'))));
  put(tree, `${doc}/copyright`, `${copyright()}\n${readFileSync(join(root, 'LICENSE'), 'utf8')}\n${nodeLicence()}\n${licencesOf(root, packages)}`);
}

const copyright = () => `landfall, licensed under the Apache License 2.0 (text below). This package contains Node.js ${process.versions.node}
(/usr/lib/landfall/bin/node) and packages from npm (/usr/lib/landfall/node_modules); their licences follow.
`;

function nodeLicence() {
  const beside = dirname(dirname(process.execPath));
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE', 'lib/node_modules/node/LICENSE'].map((path) => join(beside, path));
  const file = places.find((place) => existsSync(place));
  return `---- Node.js ${process.versions.node} ----\n\n${file === undefined ? 'MIT and others: https://github.com/nodejs/node/blob/main/LICENSE\n' : readFileSync(file, 'utf8')}`;
}

function putService(tree) {
  for (const unit of ['landfall.service', 'landfall-bfd.service']) copy(tree, `deploy/${unit}`, `lib/systemd/system/${unit}`);
  copy(tree, 'deploy/landfall.sysusers', 'usr/lib/sysusers.d/landfall.conf');
  copy(tree, 'deploy/landfall.tmpfiles', 'usr/lib/tmpfiles.d/landfall.conf');
}

function putControl(tree, architecture) {
  const installedKilobytes = Number(run('du', ['-sk', '--apparent-size', tree]).split('\t')[0]);
  put(tree, 'DEBIAN/control', `Package: landfall
Version: ${version}
Architecture: ${architecture}
Maintainer: The landfall maintainers <landfall@localhost>
Installed-Size: ${installedKilobytes}
Depends: libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6, passwd
Recommends: libpcap0.8
Section: net
Priority: optional
Description: announces the routes of a node's VMs over BGP
 A BGP speaker for each node that runs VMs. It hears a VM announce itself after
 a live migration and moves the VM's host routes to the node in that moment.
 .
 Brings the Node.js that it runs on; libpcap is needed only for capture filters.
`);
  put(tree, 'DEBIAN/conffiles', '/etc/landfall/landfall.yaml\n');
  for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) copy(tree, `deploy/deb/${script}`, `DEBIAN/${script}`, 0o755);
}

/** One date and plain modes everywhere. */
function settle(folder, seconds) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) lutimesSync(path, seconds, seconds);
    else if (entry.isDirectory()) settle(path, seconds);
    else {
      chmodSync(path, (statSync(path).mode & 0o111) !== 0 && !/\.(node|js|json)$/.test(entry.name) ? 0o755 : 0o644);
      utimesSync(path, seconds, seconds);
    }
  }
  chmodSync(folder, 0o755);
  utimesSync(folder, seconds, seconds);
}

const tree = mkdtempSync(join(root, 'dist.package-'));
try {
  const seconds = buildSeconds();
  const architecture = run('dpkg', ['--print-architecture']);
  putNode(tree);
  await putWords(tree, putProduct(tree), seconds);
  putService(tree);
  putControl(tree, architecture);
  settle(tree, seconds);
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `landfall_${version}_${architecture}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '-z1', '--build', tree, `${file}.new`], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) } });
  renameSync(`${file}.new`, file);
  process.stdout.write(`${file}\n`);
} finally {
  rmSync(tree, { recursive: true, force: true });
}
