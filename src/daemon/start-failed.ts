/** A daemon that can't start: the sentence for the operator, and the exit status. */
export class StartFailed extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}
