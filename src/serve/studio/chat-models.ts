/** Models to talk to: given ones and finished runs. A base is loaded when it is first asked, once for all its runs. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Generator } from "../../generate/generator.js";
import { locateModel } from "../../generate/load-model.js";
import type { PromptTemplate } from "../../generate/prompt.js";
import { modelName } from "../../hub/model-name.js";
import { loadAdapter } from "../../peft/adapter-io.js";
import { HttpError } from "../http-error.js";
import type { Folder } from "./folder.js";
import type { ChatModelChoice, RunSummary } from "./wire.js";

/** A model that is ready to write. */
export interface ReadyModel {
  generator: Generator;
  /** Name of the adapter among the generator's; `null` for the bare model. */
  adapter: string | null;
  /** What conversations should look like unless the page says otherwise. */
  template: PromptTemplate;
}

export interface ChatModelOptions {
  /** Model references that may be used besides the runs'. */
  references: readonly string[];
  device?: "auto" | "cpu" | "webgpu" | "cuda";
  threads?: number;
  say: (line: string) => void;
}

interface Loaded {
  generator: Promise<Generator>;
  users: number;
  lastUsed: number;
}

/** Bases held in memory at once; the one unused for longest goes first. */
const MOST_BASES = 2;

export class ChatModels {
  private readonly bases = new Map<string, Loaded>();
  private readonly adapters = new Map<string, Promise<void>>();
  /** Bases of finished runs, as their recipes name them. */
  private fromRuns: readonly RunSummary[] = [];

  constructor(
    private readonly runs: Folder,
    private readonly options: ChatModelOptions,
  ) {}

  /** Takes note of the runs there are. */
  know(runs: readonly RunSummary[]): void {
    this.fromRuns = runs;
  }

  /** Bases first, then runs with something to talk to. Their ids are `base:REFERENCE` and `run:ID`. */
  choices(): ChatModelChoice[] {
    const usable = this.fromRuns.filter((run) => run.usable);
    return [
      ...this.baseReferences().map((reference): ChatModelChoice => {
        return { id: `base:${reference}`, label: modelName(reference), kind: "base" };
      }),
      ...usable.map((run): ChatModelChoice => ({ id: `run:${run.id}`, label: run.id, kind: "run" })),
    ];
  }

  /** Reference of a base by its id. @throws HttpError 404 for one that is not among the choices. */
  reference(id: string): string {
    const reference = id.replace(/^base:/, "");
    if (!this.baseReferences().includes(reference)) throw unknown(id);
    return reference;
  }

  private baseReferences(): string[] {
    return [...new Set([...this.options.references, ...this.fromRuns.map((run) => run.model)])].filter(Boolean);
  }

  /**
   * Makes a model ready and runs `work` with it; it stays loaded at least that long.
   * @throws HttpError 404 for an id that is not among the choices; UsageError or FailureError when it cannot be loaded.
   */
  async use<T>(id: string, work: (model: ReadyModel) => Promise<T>): Promise<T> {
    const run = id.startsWith("run:") ? this.runs.resolve(id.slice("run:".length)) : undefined;
    if (run !== undefined && !existsSync(join(run, "run.json"))) throw unknown(id);
    const located = run === undefined ? await locateModel(this.reference(id)) : await locateModel(run);
    const loaded = await this.open(located.path);
    loaded.users++;
    try {
      const generator = await loaded.generator;
      const { adapterPath } = located;
      if (adapterPath) await this.addAdapter(generator, located.path, adapterPath);
      return await work({ generator, adapter: adapterPath ?? null, template: located.template ?? generator.template });
    } finally {
      loaded.users--;
      loaded.lastUsed = performance.now();
    }
  }

  private async open(path: string): Promise<Loaded> {
    const there = this.bases.get(path);
    if (there) return there;
    await this.makeRoom();
    const again = this.bases.get(path);
    if (again) return again;
    const { device, threads, say } = this.options;
    const generator = Generator.open(path, { device, threads, say });
    const loaded: Loaded = { generator, users: 0, lastUsed: performance.now() };
    this.bases.set(path, loaded);
    // A model that failed to load is tried anew the next time.
    generator.catch(() => this.bases.delete(path));
    return loaded;
  }

  private async makeRoom(): Promise<void> {
    if (this.bases.size < MOST_BASES) return;
    const idle = [...this.bases].filter(([, { users }]) => users === 0);
    const oldest = idle.sort((a, b) => a[1].lastUsed - b[1].lastUsed)[0];
    if (!oldest)
      throw new HttpError(429, `${this.bases.size} models are writing, which is the most at once; try again`);
    this.forget(oldest[0]);
    await oldest[1].generator.then((generator) => generator.dispose()).catch(() => {});
  }

  private forget(path: string): void {
    this.bases.delete(path);
    for (const key of this.adapters.keys()) if (key.startsWith(`${path}\n`)) this.adapters.delete(key);
  }

  private async addAdapter(generator: Generator, base: string, folder: string): Promise<void> {
    const key = `${base}\n${folder}`;
    let added = this.adapters.get(key);
    if (!added) {
      added = loadAdapter(folder, generator.model.config).then((adapter) => {
        generator.model.adapters.push({ name: folder, adapter });
      });
      this.adapters.set(key, added);
      added.catch(() => this.adapters.delete(key));
    }
    await added;
  }

  async close(): Promise<void> {
    const open = [...this.bases.values()];
    this.bases.clear();
    await Promise.allSettled(open.map(async ({ generator }) => (await generator).dispose()));
  }
}

function unknown(id: string): HttpError {
  return new HttpError(404, `there is no model ${JSON.stringify(id.slice(0, 200))} here`);
}
