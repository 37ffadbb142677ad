/** Raised when landfall itself is wrong. Nothing catches it: the process ends and its supervisor starts it again. */
export class AssertionFailed extends Error {
  override name = 'AssertionFailed';
}

/** Throws {@link AssertionFailed} unless `condition` holds; `what` says which belief of ours was false. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionFailed(what);
}

/** For the last branch of an exhaustive switch: compiles only if nothing is left. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unexpected value ${JSON.stringify(value)}`);
}
