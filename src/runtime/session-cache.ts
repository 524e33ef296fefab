/** Compiled graphs by key. One that is in use is never evicted, and a failed compilation is not remembered. */
import type { Graph } from "../graph/index.js";
import type { CompileOptions, Device, Executable } from "./backend.js";

export interface SessionKey {
  /** Unique within the cache. */
  key: string;
  /** Entries of one group are evicted together. Default: the key. */
  group?: string;
  /** What a group counts toward the cache's limit. Default 1. */
  weight?: number;
}

interface Entry {
  executable: Promise<Executable>;
  group: string;
  weight: number;
  users: number;
}

export class SessionCache {
  private readonly entries = new Map<string, Entry>();

  /** @param limit Σ of the weights of the groups that are kept; the newest and those in use are in any case. */
  constructor(
    private readonly device: Pick<Device, "compile">,
    private readonly limit = Number.POSITIVE_INFINITY,
  ) {}

  /** Graphs that are compiled now. */
  get size(): number {
    return this.entries.size;
  }

  /** Compiles the graph where that was not done yet, and holds it while `run` works with it. */
  async use<T>(
    key: string | SessionKey,
    graph: () => Graph,
    run: (executable: Executable) => Promise<T>,
    options?: CompileOptions,
  ): Promise<T> {
    const wanted = typeof key === "string" ? { key } : key;
    const entry = this.entry(wanted, graph, options);
    entry.users++;
    try {
      return await run(await entry.executable);
    } finally {
      entry.users--;
      await this.trim();
    }
  }

  private entry({ key, group = key, weight = 1 }: SessionKey, graph: () => Graph, options?: CompileOptions): Entry {
    const found = this.entries.get(key);
    const entry = found ?? { executable: this.device.compile(graph(), options), group, weight, users: 0 };
    // The order of the map is the order of last use.
    this.entries.delete(key);
    this.entries.set(key, entry);
    if (!found)
      entry.executable.catch(() => {
        if (this.entries.get(key) === entry) this.entries.delete(key);
      });
    return entry;
  }

  /** Evicts the groups that were not used for longest until the rest is within the limit. */
  private async trim(): Promise<void> {
    if (this.limit === Number.POSITIVE_INFINITY) return;
    const groups = new Map<string, { weight: number; users: number }>();
    for (const { group, weight, users } of [...this.entries.values()].reverse()) {
      const found = groups.get(group);
      if (found) found.users += users;
      else groups.set(group, { weight, users });
    }
    let total = [...groups.values()].reduce((sum, { weight, users }) => (users > 0 ? sum + weight : sum), 0);
    const unwanted = new Set<string>();
    let newest = true;
    for (const [group, { weight, users }] of groups) {
      if (users === 0) {
        if (!newest && total + weight > this.limit) unwanted.add(group);
        else total += weight;
      }
      newest = false;
    }
    const removed: Promise<Executable>[] = [];
    for (const [key, { group, executable }] of this.entries)
      if (unwanted.has(group)) {
        this.entries.delete(key);
        removed.push(executable);
      }
    await release(removed);
  }

  /** Frees all graphs, which must not be in use any more. */
  async dispose(): Promise<void> {
    const all = [...this.entries.values()].map(({ executable }) => executable);
    this.entries.clear();
    await release(all);
  }
}

/** Those whose compilation failed, which was reported then, hold nothing. */
async function release(executables: readonly Promise<Executable>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(executables))
    if (outcome.status === "fulfilled") await outcome.value.dispose();
}
