/** Whether steps ask with the original tools' prompts, settled while an experiment is planned. */
import { locatePinnedFile, type PinnedFile } from "../data/pinned-file.js";
import type { LocateOptions } from "../data/source-files.js";
import { EvokeError, UnreachableError } from "../errors.js";
import type { OriginalPrompts } from "../recipe/original-prompts.js";

/** What steps ask with, and what a reader must know of it. */
export class PromptChoice {
  private readonly found = new Map<PinnedFile, Promise<string | Error>>();
  private readonly missing = new Map<string, string[]>();
  /** Set when a source did not answer: the others are not waited for. */
  private silent?: UnreachableError;

  constructor(private readonly source: LocateOptions) {}

  /**
   * Paths of the originals when they are asked with; undefined for evoke's own. All of them or none.
   *
   * @param what whose prompts they are, such as "evaluations.core".
   * @throws EvokeError when they are wanted without condition and cannot be had.
   */
  async originals(wanted: OriginalPrompts, files: readonly PinnedFile[], what: string): Promise<string[] | undefined> {
    if (wanted === false || files.length === 0) return undefined;
    const paths: string[] = [];
    for (const file of files) {
      const path = await this.locate(file, wanted);
      if (typeof path === "string") paths.push(path);
      else if (wanted === true && this.source.fetchMissing !== false) throw path;
      else if (wanted === "auto") {
        const reason = path.cause instanceof Error ? path.cause.message : path.message;
        this.missing.set(reason, [...new Set([...(this.missing.get(reason) ?? []), what])]);
        return undefined;
      }
    }
    return paths;
  }

  /** One line for each reason why own prompts are used where the originals were to be. */
  get notes(): string[] {
    return [...this.missing].map(
      ([reason, all]) => `Evoke's own prompts stand in for the original ones in ${all.join(", ")} (${reason}).`,
    );
  }

  private locate(file: PinnedFile, wanted: OriginalPrompts): Promise<string | Error> {
    const known = this.found.get(file) ?? this.tryOnce(file, wanted);
    this.found.set(file, known);
    return known;
  }

  private async tryOnce(file: PinnedFile, wanted: OriginalPrompts): Promise<string | Error> {
    const fetchMissing = this.source.fetchMissing !== false && !(wanted === "auto" && this.silent);
    try {
      return await locatePinnedFile(file, { ...this.source, fetchMissing });
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      if (error instanceof UnreachableError) this.silent ??= error;
      return this.silent ?? error;
    }
  }
}
