import { type ConfigError, makeError } from '../errors.ts';
import { type Path, type Tree, locate } from '../tree.ts';

/** Where findings go: each names a path of the effective configuration, which becomes file, line and column. */
export class Report {
  readonly errors: ConfigError[] = [];
  readonly warnings: ConfigError[] = [];
  private readonly tree: Tree;

  constructor(tree: Tree) {
    this.tree = tree;
  }

  /** The same report, deaf to warnings. */
  errorsOnly(): Pick<Report, 'error' | 'warn'> {
    return { error: (path, message) => this.error(path, message), warn: () => undefined };
  }

  error(path: Path, message: string): void {
    const { at, path: text } = locate(this.tree, path);
    this.errors.push(makeError(at, text, message));
  }

  warn(path: Path, message: string): void {
    const { at, path: text } = locate(this.tree, path);
    this.warnings.push(makeError(at, text, message));
  }
}
