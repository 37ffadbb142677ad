import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

declare const watchBrand: unique symbol;
/** A C structure; JavaScript only carries it around. */
export type Watch = { readonly [watchBrand]: true };

/** What every function of the module throws or hands to its callback: `code` is the name of the errno, `syscall` the step that failed. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

// From the sources (native/binary.ts) and from the build (dist/native/binary.js).
const places = ['./build/landfall.node', '../../native/build/landfall.node'];

/** The program that outlives the speaker (janitor.c); `undefined`: it is not built. */
export function janitorFile(): string | undefined {
  return places.map((place) => fileURLToPath(new URL(place.replace('landfall.node', 'landfall-janitor'), import.meta.url))).find((path) => existsSync(path));
}

let loaded: unknown;

/**
 * The functions of the binary, of which each file here names those that it stands on. Loaded at the first use, so that commands which need
 * no socket run without it.
 */
export function binary<Functions>(): Functions {
  if (loaded !== undefined) return loaded as Functions;
  const file = places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
  if (file === undefined) {
    throw new Error("landfall's native module is not built: run `node native/build.mjs` (it needs a C compiler) in landfall's folder.");
  }
  try {
    loaded = createRequire(import.meta.url)(file);
  } catch (error) {
    throw new Error(
      `landfall's native module does not load (${(error as Error).message}): build it on this machine with \`node native/build.mjs\`.`,
      { cause: error },
    );
  }
  return loaded as Functions;
}

/** Why no socket can be opened and no clock asked; `undefined` where the module is there and loads. */
export function nativeProblem(): string | undefined {
  try {
    binary<unknown>();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
