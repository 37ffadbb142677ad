import { accessSync, constants } from 'node:fs';

/** What is going on, to standard error. */
export function progress(text: string): void {
  process.stderr.write(`${process.stderr.isTTY ? '\r' : ''}* ${text}\n`);
}

/** Figures and plots, to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Where the plot goes unless told: the current folder, or beside the run's own one where that can't be written. */
export function defaultSvg(folder: string): string {
  try {
    accessSync('.', constants.W_OK);
    return 'landfall-demo.svg';
  } catch {
    return `${folder}.svg`;
  }
}
