/** Orderly stops: the first signal asks the work to finish its step and save, the second ends the process at once. */
export interface StopRequest {
  /** The signal that came, if any. */
  readonly signal?: "SIGINT" | "SIGTERM";
  /** Stops listening. */
  release(): void;
}

export function listenForStop(onFirst: (signal: string) => void): StopRequest {
  const state: { signal?: "SIGINT" | "SIGTERM"; release: () => void } = { release: () => {} };
  const handler = (signal: "SIGINT" | "SIGTERM"): void => {
    if (state.signal) process.exit(signal === "SIGINT" ? 130 : 143);
    state.signal = signal;
    onFirst(signal);
  };
  process.on("SIGINT", handler);
  process.on("SIGTERM", handler);
  state.release = () => {
    process.off("SIGINT", handler);
    process.off("SIGTERM", handler);
  };
  return state;
}
