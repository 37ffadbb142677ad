// Relative links of the Markdown pages, and the files they name in `backticks`, must exist.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** @returns {string[]} `page: target` for each link of a tracked or new page that leads nowhere */
export function findDeadLinks(root) {
  const pages = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8', timeout: 20_000 })
    .split('\0')
    .filter((page) => page !== '' && existsSync(join(root, page)));
  return pages.flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
    const links = [...text.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)].map((match) => match[1]);
    const files = [...text.matchAll(/`([\w-]+\/[\w./-]+\.(?:ts|mjs|c|md|yaml|service))`/g)].map((match) => match[1]).filter((file) => existsSync(join(root, file.split('/')[0])));
    return [
      ...links.filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(root, dirname(page), link))),
      ...files.filter((file) => !existsSync(join(root, file))),
    ].map((target) => `${page}: ${target}`);
  });
}
