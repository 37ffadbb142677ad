// Which folders of node_modules the product needs at run time, and which of their files.
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Only needed to compile add-ons. */
const buildOnly = new Set(['node_modules/nan']);
const leftOutFolders = new Set(['.bin', '@types', 'test', 'tests', 'spec', 'example', 'examples', 'docs', 'benchmarks', 'bench', 'obj.target', '.deps', '.github', 'scripts', 'typings']);
const leftOutFiles = /\.(ts|mts|cts|map|md|markdown|cc|cpp|c|h|o|a|gyp|gypi|mk|d|png|ico|html|sh|Makefile|yml|yaml|tsbuildinfo)$|^(Makefile|Gruntfile\.js|CNAME|tsconfig\.json|eslint\.config\.[cm]?js|bin\.m?js|\..*)$/;

/** @returns {string[]} paths such as `node_modules/yaml`, of all packages of package-lock.json that are not for development and are there */
export function productionPackages(root) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.keys(packages).filter((path) => path.startsWith('node_modules/') && packages[path].dev !== true && !path.includes('@types/') && !buildOnly.has(path) && existsSync(join(root, path)));
}

/** Copies one package without its tests, sources of add-ons and type declarations. */
export function copyPackage(root, path, target) {
  const from = join(root, path);
  // Of an add-on that did not compile nothing is of use; without it landfall runs, less a feature.
  if (existsSync(join(from, 'binding.gyp')) && !existsSync(join(from, 'build/Release'))) return false;
  cpSync(from, join(target, path), {
    recursive: true,
    filter: (file) => {
      const name = basename(file);
      if (file === from) return true;
      if (file.slice(from.length + 1).startsWith('node_modules')) return false;   // has its own line in the lock file
      return !leftOutFolders.has(name) && !leftOutFiles.test(name);
    },
  });
  return true;
}

/** @returns {string} the licences of the packages, one after the other */
export function licencesOf(root, paths) {
  return paths.map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, path)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? `${license}\n` : readFileSync(join(root, path, file), 'utf8');
    return `---- ${name} ${version} ----\n\n${text}`;
  }).join('\n');
}
