import { existsSync } from "node:fs";
import { locateData } from "../data/source-files.js";
import { findSource } from "../data/sources.js";
import { EvokeError } from "../errors.js";
import { identifyModel, locateModel } from "../generate/load-model.js";
import { identifyFile } from "../hub/content-identity.js";
import type { SourceRef } from "./step.js";

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
  private readonly models = new Map<string, Promise<string>>();

  constructor(private readonly options: InputOptions) {}

  /** Hex SHA-256 of a file. @throws UsageError when it is not there. */
  fileHash(path: string): Promise<string> {
    return remember(this.files, path, () => identifyFile(path, this.options));
  }

  /** Local files, folders and runs by their content, everything else by its reference. */
  modelId(reference: string): Promise<string> {
    return remember(this.models, reference, async () => {
      if (!existsSync(reference) && !reference.startsWith("bundled:")) return reference;
      return (await identifyModel(await locateModel(reference), undefined, this.options)).id;
    });
  }

  /**
   * A named source with the files that hold it. Sets of the Hub go by their reference. A source that cannot be had yet has no
   * files: the step that reads it will say why.
   */
  async source(reference: string): Promise<SourceRef> {
    if (!findSource(reference)) return { source: reference };
    const { dataDir, fetchMissing, say, signal } = this.options;
    try {
      const { files } = await locateData(reference, { dataDir, fetchMissing, say, signal });
      return { source: reference, files: files.map((file) => ({ file })) };
    } catch (error) {
      if (error instanceof EvokeError) return { source: reference };
      throw error;
    }
  }
}

function remember<T>(known: Map<string, T>, name: string, make: () => T): T {
  const value = known.get(name) ?? make();
  known.set(name, value);
  return value;
}
