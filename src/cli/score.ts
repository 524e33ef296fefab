import { Command } from "commander";
import { score } from "../api/score.js";
import { FailureError } from "../errors.js";
import { addModelFlags, bosOption, type ModelFlags, modelOptions } from "./generation-flags.js";
import { sayUsage, withModel } from "./llm-options.js";
import { globalOptions, printJson, say } from "./output.js";
import { partialOf, readInput, textField, writeWhole } from "./resumable-rows.js";
import { showEvents } from "./show-events.js";

interface ScoreFlags extends ModelFlags {
  in: string;
  out: string;
  bos: "tokenizer" | "none";
}

/** `evoke score`: log-probabilities of continuations. */
export function scoreCommand(): Command {
  const command = new Command("score")
    .description("Log-probability of every row's continuation after its context. Run again after a stop to go on.")
    .argument("<model>", "model, run folder, or openai:NAME@BASE_URL")
    .requiredOption("--in <file>", "JSON Lines with context and continuation")
    .requiredOption("--out <file>", "the same rows with logprob, tokens, is_greedy");
  return addModelFlags(command)
    .addOption(bosOption())
    .action(async (reference: string, flags: ScoreFlags, self: Command) => {
      const globals = globalOptions(self);
      const rows = await readInput(flags.in);
      const pairs = rows.map((row) => ({
        context: textField(row, "context"),
        continuation: textField(row, "continuation"),
        ...(flags.bos === "none" ? { bos: "none" as const } : {}),
      }));
      await withModel(reference, { ...modelOptions(flags), device: globals.device }, globals, async (model, signal) => {
        const shown = showEvents(globals);
        const journal = partialOf(flags.out);
        const scored = await score({ model, pairs, journal, signal, onProgress: shown.onProgress }).finally(
          shown.finish,
        );
        const failed: string[] = [];
        const out = rows.map(({ row, where }, i) => {
          const { logprob, tokens, isGreedy, problem } = scored[i]!;
          if (problem === undefined) return { ...row, logprob, tokens, is_greedy: isGreedy };
          failed.push(`${where}: ${problem}`);
          return { ...row, logprob: null, tokens: null, is_greedy: null, problem };
        });
        writeWhole(flags.out, out);
        const { length } = rows;
        sayUsage(model.usage, globals);
        if (globals.json)
          printJson({ out: flags.out, rows: length, failed: failed.length, usage: model.usage ?? null });
        else say(`${flags.out}: ${length - failed.length} rows scored`, globals);
        if (failed.length > 0)
          throw new FailureError(
            `${failed.length} of ${length} rows could not be scored and say why in "problem"; the first: ${failed[0]}`,
          );
      });
    });
}
