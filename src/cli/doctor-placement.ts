/** `evoke doctor --model … --recipe …`: where to train, as lines or as one JSON document. */
import { advise, type Place } from "../cluster/placement/advise.js";
import { type ClusterShape, localGpus, parseClusterShape } from "../cluster/placement/gpus.js";
import { ASSUMED_ROWS, processorRate, recipeWork } from "../cluster/placement/workload.js";
import { formatSeconds } from "../progress/progress.js";
import { loadRecipe, parseRecipe } from "../recipe/load.js";
import { isAddress, liveShape } from "./doctor-cluster.js";
import { type GlobalOptions, printJson, say } from "./output.js";

export interface PlacementFlags {
  model?: string;
  recipe?: string;
  set: string[];
  cluster?: string;
}

export async function printPlacement(flags: PlacementFlags, global: GlobalOptions): Promise<void> {
  const { model, recipe: path, set } = flags;
  const cluster = flags.cluster === undefined ? undefined : await clusterShape(flags.cluster, global);
  const recipe = path
    ? await loadRecipe(path, [...set, ...(model === undefined ? [] : [`model=${model}`])])
    : parseRecipe({ preset: "paper-qlora", model: model!, data: { path: "assumed" } });
  const { work, steps, examples, tokens } = await recipeWork(recipe, path === undefined, (line) => say(line, global));
  const cpuRate = await processorRate(recipe.threads);
  const budgetBytes = recipe.memory.budget_gb === undefined ? undefined : recipe.memory.budget_gb * 1e9;
  const advice = advise(work, { cpuRate, budgetBytes, gpus: localGpus(), cluster });
  if (global.json)
    return printJson({
      model: recipe.model,
      method: recipe.method,
      examples,
      tokens,
      steps,
      cpuFlops: cpuRate,
      ...advice,
    });
  const rows = path
    ? `${examples} examples`
    : `${ASSUMED_ROWS.count} assumed examples of ${ASSUMED_ROWS.tokens} tokens`;
  const lines = [
    `${recipe.model}: ${recipe.method}, ${rows}, ${steps} steps, ${((tokens * work.epochs) / 1e6).toFixed(1)} M tokens in all`,
    ...advice.places.map(line),
    advice.use === undefined ? advice.reason : `use: ${advice.use} (${advice.reason})`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

async function clusterShape(text: string, global: GlobalOptions): Promise<ClusterShape> {
  if (!isAddress(text)) return parseClusterShape(text);
  return liveShape(text, (line) => say(line, global));
}

function line({ place, what, fits, needBytes, haveBytes, seconds }: Place): string {
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const memory = `${gigabytes(needBytes)} of ${gigabytes(haveBytes)}`;
  const time = fits ? `about ${formatSeconds(seconds!)}` : "does not fit";
  return `${place.padEnd(8)} ${what.padEnd(28)} ${memory.padEnd(22)} ${time}`;
}
