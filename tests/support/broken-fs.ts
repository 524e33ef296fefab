/** A file system that fails as real ones do: node:fs with some calls replaced, for code that imports them by name. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

type Calls = "writeSync" | "fsync" | "fsyncSync" | "linkSync";

/** Runs `work` while a call fails with a code once `after` calls have gone well. */
export async function whileFailing<T>(
  call: Calls,
  code: string,
  after: number,
  work: () => T | Promise<T>,
): Promise<T> {
  const original = fs[call] as (...given: unknown[]) => unknown;
  let left = after;
  const failing = (...given: unknown[]): unknown => {
    if (left-- > 0) return original(...given);
    throw Object.assign(new Error(`${code}: no, ${call}`), { code, syscall: call });
  };
  Object.assign(fs, { [call]: failing });
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    Object.assign(fs, { [call]: original });
    syncBuiltinESMExports();
  }
}
