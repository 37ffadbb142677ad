/** What the process is asked by signals. */
export interface SignalHandlers {
  /** SIGTERM or SIGINT, the first time: end in good order. */
  stop(signal: 'SIGTERM' | 'SIGINT'): void;
  /** The same again, or SIGQUIT: end now. Default: exit with 128 + the signal's number. */
  abort?(signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT'): void;
  /** SIGHUP. Without a handler the signal is taken and does nothing. */
  reload?(): void;
}

const numbers = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Listens to SIGTERM, SIGINT, SIGQUIT and SIGHUP. @returns a function that gives the signals back to the system's defaults. */
export function listenSignals(handlers: SignalHandlers): () => void {
  let stopping = false;
  const abort = handlers.abort ?? ((signal) => process.exit(128 + numbers[signal]));
  const stop = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (stopping) return abort(signal);
    stopping = true;
    handlers.stop(signal);
  };
  const onTerm = (): void => stop('SIGTERM');
  const onInt = (): void => stop('SIGINT');
  const onQuit = (): void => abort('SIGQUIT');
  const onHup = (): void => handlers.reload?.();
  process.on('SIGTERM', onTerm).on('SIGINT', onInt).on('SIGQUIT', onQuit).on('SIGHUP', onHup);
  return () => {
    process.off('SIGTERM', onTerm).off('SIGINT', onInt).off('SIGQUIT', onQuit).off('SIGHUP', onHup);
  };
}
