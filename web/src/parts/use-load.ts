import { useEffect, useState } from "preact/hooks";

export interface Load<T> {
  value?: T;
  error?: string;
}

/** Loads something and again whenever a dependency changes; what came before stays until the new is there. */
export function useLoad<T>(load: (abort: AbortSignal) => Promise<T>, dependencies: readonly unknown[]): Load<T> {
  const [state, set] = useState<Load<T>>({});
  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal).then(
      (value) => !stop.signal.aborted && set({ value }),
      (error: Error) => !stop.signal.aborted && set((before) => ({ ...before, error: error.message })),
    );
    return () => stop.abort();
  }, dependencies);
  return state;
}
