/** Compiled graphs by key: the most recently used ones are kept, one that is running is never freed. */
import type { Executable } from "./device.js";

interface Entry {
  executable: Promise<Executable>;
  /** Calls that run it now. */
  users: number;
}

export class SessionCache {
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry>();

  /** @param limit graphs that are kept. While more are running at once, more are held. */
  constructor(private readonly limit: number) {}

  /**
   * Runs `use` with the graph of this key, which is compiled by `make` if it is not there. A graph that fails to compile
   * is forgotten: the next call tries again.
   */
  async use<T>(key: string, make: () => Promise<Executable>, use: (executable: Executable) => Promise<T>): Promise<T> {
    let entry = this.entries.get(key);
    if (!entry) entry = { executable: make(), users: 0 };
    this.entries.delete(key);
    this.entries.set(key, entry);
    entry.users++;
    try {
      const executable = await entry.executable.catch((error: unknown) => {
        if (this.entries.get(key) === entry) this.entries.delete(key);
        throw error;
      });
      return await use(executable);
    } finally {
      entry.users--;
      await this.evict();
    }
  }

  private async evict(): Promise<void> {
    for (const [key, entry] of [...this.entries]) {
      if (this.entries.size <= this.limit) return;
      if (entry.users > 0) continue;
      this.entries.delete(key);
      await (await entry.executable).dispose();
    }
  }

  /** Frees all graphs; none may be running. */
  async dispose(): Promise<void> {
    const all = [...this.entries.values()];
    this.entries.clear();
    for (const outcome of await Promise.allSettled(all.map(({ executable }) => executable)))
      if (outcome.status === "fulfilled") await outcome.value.dispose();
  }
}
