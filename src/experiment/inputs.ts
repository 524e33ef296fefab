import { existsSync } from "node:fs";
import { locateData } from "../data/source-files.js";
import { findSource } from "../data/sources.js";
import { EvokeError } from "../errors.js";
import { promptPath } from "../eval/prompt-file.js";
import { expandSuites } from "../eval/run-suites.js";
import { type SuiteInputsOptions, suiteInputs } from "../eval/suite-inputs.js";
import { identifyModel, locateModel } from "../generate/load-model.js";
import { identifyContent, identifyFile } from "../hub/content-identity.js";
import { hubCommit } from "../hub/hub.js";
import { PromptChoice } from "./original-prompts.js";
import type { EvalJob, FileRef, SourceRef } from "./step.js";

export interface InputOptions {
  dataDir?: string;
  /** Fetch sources that are not at hand, so that their content can enter the keys. */
  fetchMissing: boolean;
  say: (line: string) => void;
  signal?: AbortSignal;
}

/** What steps read from outside the experiment, and the hashes by which it enters their keys. */
export class Inputs {
  private readonly files = new Map<string, Promise<string>>();
  private readonly suites = new Map<string, Promise<{ file: string }[] | undefined>>();
  private readonly models = new Map<string, Promise<string>>();
  /** Whether steps ask with the original tools' prompts. */
  readonly prompts: PromptChoice;

  constructor(private readonly options: InputOptions) {
    this.prompts = new PromptChoice(options);
  }

  /** Hex SHA-256 of a file. @throws UsageError when it is not there. */
  fileHash(path: string): Promise<string> {
    return remember(this.files, path, () => identifyFile(path, this.options));
  }

  /** Local files, folders and runs by their content, those of the Hub by their commit, servers by name and address. */
  modelId(reference: string): Promise<string> {
    return remember(this.models, reference, async () => {
      if (existsSync(reference) || reference.startsWith("bundled:"))
        return (await identifyModel(await locateModel(reference), undefined, this.options)).id;
      return reference.startsWith("hf:") ? this.atCommit(reference) : reference;
    });
  }

  private async atCommit(reference: string): Promise<string> {
    const commit = await hubCommit(reference.slice(3), this.options);
    return commit === undefined ? reference : `${reference.replace(/@.*$/, "")}@${commit}`;
  }

  /** A folder of an adapter by its content, one on the Hub by its commit. */
  async folderId(path: string): Promise<string> {
    if (path.startsWith("hf:")) return this.atCommit(path);
    return (await identifyContent({ adapter: path }, this.options)).id;
  }

  /**
   * A named source or a set of the Hub, with the files that hold it. One that cannot be had yet has no files: the step that
   * reads it will say why.
   */
  async source(reference: string): Promise<SourceRef> {
    if (!findSource(reference) && !reference.startsWith("hf:")) return { source: reference };
    const files = await this.whereAtHand(async () => (await locateData(reference, this.options)).files);
    return { source: reference, ...(files ? { files } : {}) };
  }

  /** Files that the suites of an evaluation read and no setting names. */
  async suiteFiles(job: EvalJob): Promise<FileRef[]> {
    const { shots, originalPrompts, rows, judge, reference, prompt } = job;
    const path = (ref: FileRef | undefined): string | undefined => ref && "given";
    const found: FileRef[] = [];
    for (const suite of expandSuites(job.suites)) {
      const options: SuiteInputsOptions = {
        source: this.options,
        shots,
        originalPrompts,
        named: new Set(Object.keys(rows)),
        isJudged: judge !== undefined,
        reference: path(reference),
        judgePrompt: path(job.judgePrompt),
        judgeSafetyPrompt: path(job.judgeSafetyPrompt),
        ...(typeof prompt === "string" ? { prompt } : {}),
      };
      const { source: _, named, ...rest } = options;
      const name = JSON.stringify([suite, rest, [...named]]);
      const files = remember(this.suites, name, () => this.whereAtHand(() => suiteInputs(suite, options)));
      found.push(...((await files) ?? []));
    }
    if (typeof prompt === "string" && !originalPrompts) found.push({ file: promptPath(prompt) });
    return found;
  }

  /** Undefined when something is not there and cannot be fetched. */
  private async whereAtHand(locate: () => Promise<string[]>): Promise<{ file: string }[] | undefined> {
    try {
      return (await locate()).map((file) => ({ file }));
    } catch (error) {
      if (error instanceof EvokeError) return undefined;
      throw error;
    }
  }
}

function remember<T>(known: Map<string, T>, name: string, make: () => T): T {
  const value = known.get(name) ?? make();
  known.set(name, value);
  return value;
}
