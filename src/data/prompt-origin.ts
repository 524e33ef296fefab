/** Where the prompts come from that figures depend on: kept in results and shown beside the figures. */
import { basename } from "node:path";
import { sha256, sha256OfFile } from "../files/sha256.js";
import { type PinnedFile, sourceOf } from "./pinned-file.js";

/** Where a prompt comes from. */
export interface PromptOrigin {
  /** What it is for, such as "judge", "worked examples" or "refine". */
  use: string;
  /** "original": the paper's or tool's own, fetched; "own": evoke's; "file": one that the user named. */
  origin: "original" | "own" | "file";
  /** An original's `OWNER/NAME@COMMIT:PATH`; a file's name. */
  source?: string;
  /** Of an original: its file's bytes; else the prompt's text. Hex. */
  sha256: string;
  /** The copy of the original at hand has other bytes than the pinned file. */
  differs?: true;
}

/** An original's origin. @param path where its copy lies. */
export function originalOrigin(use: string, file: PinnedFile, path: string): PromptOrigin {
  const hash = sha256OfFile(path);
  const differs = "sha256" in file.remote && file.remote.sha256 !== hash;
  return {
    use,
    origin: "original",
    source: sourceOf(file),
    sha256: hash,
    ...(differs ? { differs } : {}),
  } as PromptOrigin;
}

/** Origin of a text that is no original: evoke's own, or the file named. */
export function ownOrigin(use: string, text: string, file?: string): PromptOrigin {
  const given = file === undefined ? { origin: "own" as const } : { origin: "file" as const, source: basename(file) };
  return { use, ...given, sha256: sha256(text) };
}

/** `judge: original, Re-Align/just-eval@3e1a126:just_eval/utils.py, SHA-256 6bdabf59b1cd`; several with "; " between. */
export function originsText(origins: readonly PromptOrigin[]): string {
  const lines = origins.map(({ use, origin, source, sha256: hash, differs }) => {
    const what = origin === "own" ? "evoke's own" : origin === "file" ? `the file ${source}` : `original, ${source}`;
    return `${use}: ${what}, SHA-256 ${hash.slice(0, 12)}${differs ? " (not the pinned file's)" : ""}`;
  });
  return [...new Set(lines)].join("; ");
}

/** The origins in a result or a step's summary; none where an earlier version wrote it. */
export const originsIn = (prompts: unknown): PromptOrigin[] =>
  Array.isArray(prompts) ? (prompts as PromptOrigin[]) : [];
