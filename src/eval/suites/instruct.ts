import { UsageError } from "../../errors.js";
import { answerConfig, writeAnswers } from "../answers.js";
import { readFiles } from "../load-rows.js";
import { meanMetric, type SuiteOutput } from "../results.js";
import type { SuiteContext } from "../suite.js";

const MAX_NEW_TOKENS = 2048;

/** Answers to a local file of instructions (rows with `instruction`, and maybe `input`): nothing is judged. */
export async function runInstruct(context: SuiteContext): Promise<SuiteOutput> {
  const path = context.files.instruct;
  if (!path) throw new UsageError("instruct: name the file of instructions with --rows instruct=FILE");
  const { rows, files } = await readFiles([path], context.source);
  const taken = rows.slice(0, context.limit);
  const instructions = taken.map((row) => {
    const instruction = row.text(row.has("instruction") ? "instruction" : "prompt");
    const input = row.optionalText("input");
    return input ? `${instruction}\n\n${input}` : instruction;
  });
  const answers = await writeAnswers(context, instructions, { label: "instruct", maxTokens: MAX_NEW_TOKENS });
  const samples = taken.map((row, i) => {
    const { output, problem, finishReason } = answers[i]!;
    if (output === undefined) return { ...row.fields, index: i, missing: problem ?? "no answer" };
    return { ...row.fields, index: i, output, generator: context.generator, finish_reason: finishReason };
  });
  const outputs = answers.flatMap(({ output }) => output ?? []);
  return {
    results: {
      instruct: {
        n: outputs.length,
        missing: answers.length - outputs.length,
        metrics: { characters: meanMetric(outputs.map((output) => [...output].length)) },
        details: {
          empty: outputs.filter((output) => output === "").length,
          cut_off: answers.filter(({ finishReason }) => finishReason === "length").length,
        },
        config: { ...answerConfig(context, MAX_NEW_TOKENS), rows: files },
      },
    },
    samples: { instruct: samples },
  };
}
