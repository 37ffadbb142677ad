// What the command line needs of YAML, and no more: it loads this file only where `-o yaml` asks for it.
export { toYaml } from './parse.ts';
