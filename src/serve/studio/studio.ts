/** All that the studio can do, without HTTP. */
import { existsSync, mkdirSync } from "node:fs";
import { basename, join as joinPath, resolve } from "node:path";
import { HttpError } from "../http-error.js";
import { readCatalogue } from "./catalogue.js";
import { chat } from "./chat.js";
import { ChatModels } from "./chat-models.js";
import { EventHub } from "./event-hub.js";
import { readExperimentDetail } from "./experiment-view.js";
import { Folder } from "./folder.js";
import { MetricsTail } from "./metrics-tail.js";
import { Places } from "./places.js";
import { Reports } from "./reports.js";
import { runDetail } from "./run-view.js";
import { readSamples, type SampleQuery } from "./samples.js";
import { trainingChoices } from "./training-choices.js";
import { planTraining } from "./training-plan.js";
import { Trainings } from "./trainings.js";
import type {
  Catalogue,
  ChatEvent,
  ChatModelChoice,
  ChatRequest,
  ExperimentDetail,
  MetricPoint,
  RunDetail,
  RunSummary,
  SamplePage,
  SessionInfo,
  StudioEvent,
  TrainingChoices,
  TrainingRequest,
} from "./wire.js";

export interface StudioOptions {
  /** Runs folder; made when it is not there. */
  runs: string;
  /** Further folders in which recipes and data may be chosen. */
  files: readonly string[];
  /** Models to offer besides those of the runs. */
  models: readonly string[];
  /** The command that is `evoke`. */
  program: readonly [string, ...string[]];
  version: string;
  device?: "auto" | "cpu" | "webgpu" | "cuda";
  /** Threads of a chat's model. */
  threads?: number;
  /** Told a line per request, and what goes wrong inside. */
  say: (line: string) => void;
}

const MOST_TRAININGS = 2;

export class Studio {
  readonly reports: Reports;
  private readonly runs: Folder;
  private readonly places: Places;
  private readonly trainings: Trainings;
  private readonly models: ChatModels;
  private readonly hub: EventHub;
  private readonly closing = new AbortController();

  constructor(private readonly options: StudioOptions) {
    mkdirSync(options.runs, { recursive: true });
    this.runs = new Folder(options.runs);
    this.places = new Places([options.runs, ...options.files]);
    this.reports = new Reports(this.runs);
    const { models: references, device, threads, say } = options;
    this.models = new ChatModels(this.runs, { references, device, threads, say });
    this.hub = new EventHub({
      catalogue: () => this.catalogue(),
      metricsPath: (run) => this.metricsPath(run),
    });
    this.trainings = new Trainings(options.program, MOST_TRAININGS, () => this.hub.poke());
  }

  session(): SessionInfo {
    return {
      version: this.options.version,
      folder: basename(resolve(this.options.runs)),
      places: this.places.names,
    };
  }

  async catalogue(): Promise<Catalogue> {
    const found = await readCatalogue(this.runs);
    const runs = this.trainings.merge(found.runs);
    this.models.know(runs);
    return { ...found, runs };
  }

  /** @throws HttpError 404. */
  async run(id: string): Promise<RunDetail> {
    return runDetail(this.runs, await this.summary(id));
  }

  private async summary(id: string): Promise<RunSummary> {
    const { runs } = await this.catalogue();
    const summary = runs.find((run) => run.id === id);
    if (!summary) throw new HttpError(404, "there is no such run here");
    return summary;
  }

  async metrics(id: string): Promise<{ points: MetricPoint[] }> {
    await this.summary(id);
    return { points: new MetricsTail(this.metricsPath(id) ?? "").next().points };
  }

  /** A file that may come to be later, of a run that is there or has just been started. */
  private metricsPath(run: string): string | undefined {
    try {
      return joinPath(this.runs.resolve(run), "metrics.jsonl");
    } catch {
      return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(run)
        ? joinPath(this.runs.place(run), "metrics.jsonl")
        : undefined;
    }
  }

  /** @throws HttpError 404. */
  async experiment(id: string): Promise<ExperimentDetail> {
    const { runs, evaluations, reports } = await this.catalogue();
    const ids = (list: readonly { id: string }[]) => new Set(list.map((each) => each.id));
    const shown = { runs: ids(runs), evaluations: ids(evaluations), reports: ids(reports) };
    const detail = readExperimentDetail(this.runs, id, shown);
    if (!detail) throw new HttpError(404, "there is no such experiment here");
    return detail;
  }

  async samples(id: string, query: SampleQuery, signal: AbortSignal): Promise<SamplePage> {
    if (!id.endsWith(".jsonl")) throw new HttpError(404, "there is no such file or folder here");
    return readSamples(this.runs.resolve(id), query, signal);
  }

  async choices(): Promise<TrainingChoices> {
    await this.catalogue();
    return trainingChoices(this.places, this.models);
  }

  async chatModels(): Promise<{ models: ChatModelChoice[] }> {
    await this.catalogue();
    return { models: this.models.choices() };
  }

  /** Starts `evoke train`. */
  async train(request: TrainingRequest): Promise<{ id: string }> {
    await this.catalogue();
    const sources = { runs: this.runs, places: this.places, models: this.models };
    this.trainings.start(await planTraining(request, sources));
    return { id: request.name };
  }

  /** Asks a training that this studio started to save and stop. */
  cancel(id: string): void {
    this.trainings.cancel(id);
  }

  /** Continues a run that was stopped. @throws HttpError 409 for a run that is finished, or running. */
  async resume(id: string): Promise<void> {
    const { state, model, method, mode } = await this.summary(id);
    if (!["interrupted", "failed", "lost"].includes(state)) throw new HttpError(409, `${id} is ${state}`);
    const folder = this.runs.resolve(id);
    const recipe = joinPath(folder, "recipe.yaml");
    if (!existsSync(recipe)) throw new HttpError(409, `${id} has no recipe.yaml; start it anew under another name`);
    this.trainings.start({ id, args: [recipe, "--out", folder, "--resume"], about: { model, method, mode } });
  }

  /** Tells what changes until the signal. */
  async follow(runs: readonly string[], send: (event: StudioEvent) => void, signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.closing.signal]);
    const stop = this.hub.listen(runs, send);
    if (!over.aborted) await new Promise<void>((done) => over.addEventListener("abort", () => done(), { once: true }));
    stop();
  }

  async chat(request: ChatRequest, send: (event: ChatEvent) => void, signal: AbortSignal): Promise<void> {
    await this.catalogue();
    await chat(this.models, request, send, AbortSignal.any([signal, this.closing.signal]), this.options.say);
  }

  async close(): Promise<void> {
    await this.trainings.close();
    this.closing.abort(new Error("the studio is closing"));
    await this.models.close();
  }
}
