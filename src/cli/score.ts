import { Command } from "commander";
import { FailureError, UsageError } from "../errors.js";
import type { ScoreResult } from "../llm/language-model.js";
import { createProgress } from "../progress/progress.js";
import { addModelFlags, bosOption, type ModelFlags, modelOptions } from "./generation-flags.js";
import { sayUsage, withModel } from "./llm-options.js";
import { globalOptions, printJson, say } from "./output.js";
import { readInput, textField, withPartial } from "./resumable-rows.js";

interface ScoreFlags extends ModelFlags {
  in: string;
  out: string;
  bos: "tokenizer" | "none";
}

/** Pairs scored between two looks at the clock and the signals. */
const CHUNK = 256;

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
      const options = { ...modelOptions(flags), device: globals.device, say: (line: string) => say(line, globals) };
      await withModel(reference, options, async (model, signal) => {
        if (!model.score) throw new UsageError(`${reference}: this model does not score text`);
        const failed: string[] = [];
        const progress = createProgress({ label: "scoring", total: rows.length, unit: "rows", quiet: globals.quiet });
        try {
          await withPartial(model, flags.out, async (journaled) => {
            const scored: ScoreResult[] = [];
            for (let at = 0; at < pairs.length; at += CHUNK) {
              signal.throwIfAborted();
              scored.push(...(await journaled.score!(pairs.slice(at, at + CHUNK))));
              progress.update(scored.length);
            }
            return rows.map(({ row, where }, i) => {
              const { logprob, tokens, isGreedy, problem } = scored[i]!;
              if (problem === undefined) return { ...row, logprob, tokens, is_greedy: isGreedy };
              failed.push(`${where}: ${problem}`);
              return { ...row, logprob: null, tokens: null, is_greedy: null, problem };
            });
          });
        } finally {
          progress.finish();
        }
        const { length } = rows;
        sayUsage(model, globals);
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
