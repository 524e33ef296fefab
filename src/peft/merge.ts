/** Adapter folded into its base, written as an ordinary Hugging Face folder. */
import type { Checkpoint } from "../checkpoint/open.js";
import { type ModelFolderOptions, writeModelFolder } from "../export/model-folder.js";
import type { Adapter } from "../model/adapter.js";
import { mergedCheckpoint } from "./merged-checkpoint.js";

export type MergeOptions = ModelFolderOptions;

/** Writes the merged model to `folder`, which must not exist yet; it appears in one step. */
export function mergeAdapter(
  checkpoint: Checkpoint,
  basePath: string,
  adapter: Adapter,
  folder: string,
  options: MergeOptions = {},
): void {
  writeModelFolder(mergedCheckpoint(checkpoint, adapter), basePath, folder, options);
}
