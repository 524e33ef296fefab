import { existsSync, statSync } from "node:fs";
import { locateData } from "../data/source-files.js";
import { findSource } from "../data/sources.js";
import { EvokeError, UsageError } from "../errors.js";
import { sha256OfFile } from "../files/sha256.js";
import { modelFingerprint } from "../hub/fingerprint.js";
import { resolveModel } from "../hub/resolve-model.js";
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
  private readonly files = new Map<string, string>();
  private readonly models = new Map<string, string>();

  constructor(private readonly options: InputOptions) {}

  /** Hex SHA-256 of a file. @throws UsageError when it is not there. */
  fileHash(path: string): string {
    let hash = this.files.get(path);
    if (hash === undefined) {
      if (!existsSync(path)) throw new UsageError(`${path}: no such file`);
      if (!statSync(path).isFile()) throw new UsageError(`${path}: is a folder, a file was expected`);
      hash = sha256OfFile(path);
      this.files.set(path, hash);
    }
    return hash;
  }

  /** Local files and folders by content (names, sizes, both ends), everything else by its reference. */
  async modelId(reference: string): Promise<string> {
    let id = this.models.get(reference);
    if (id === undefined) {
      const isLocal = existsSync(reference) || reference.startsWith("bundled:");
      id = isLocal ? modelFingerprint([await resolveModel(reference)]) : reference;
      this.models.set(reference, id);
    }
    return id;
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
