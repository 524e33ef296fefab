import { UsageError } from "../../errors.js";
import { answerConfig, writeAnswers } from "../answers.js";
import { readCases } from "../read-cases.js";
import { meanMetric, type SuiteOutput } from "../results.js";
import type { SuiteContext } from "../suite.js";

const MAX_NEW_TOKENS = 2048;

/**
 * Answers to a local file of instructions (rows with `instruction`, and maybe `input`). Nothing is judged; where rows bring the
 * right answer as `output`, those that are exactly it (and ended by the model) are counted.
 */
export async function runInstruct(context: SuiteContext): Promise<SuiteOutput> {
  const path = context.files.instruct;
  if (!path) throw new UsageError("instruct: name the file of instructions with --rows instruct=FILE");
  const {
    cases: taken,
    invalid,
    files,
  } = await readCases(context, path, (row) => {
    const instruction = row.text(row.has("instruction") ? "instruction" : "prompt");
    const input = row.optionalText("input");
    return { row, text: input ? `${instruction}\n\n${input}` : instruction };
  });
  const instructions = taken.map(({ text }) => text);
  const answers = await writeAnswers(context, instructions, { label: "instruct", maxTokens: MAX_NEW_TOKENS });
  const samples = taken.map(({ row }, i) => {
    const { output, problem, finishReason, outputTokens } = answers[i]!;
    const { output: expected, ...fields } = row.fields;
    const given = { ...fields, ...(expected === undefined ? {} : { expected }), index: i };
    if (output === undefined) return { ...given, missing: problem ?? "no answer" };
    const end = { finish_reason: finishReason, output_tokens: outputTokens };
    return { ...given, output, generator: context.generator, ...end };
  });
  const answered = samples.filter((sample) => "output" in sample) as AnsweredSample[];
  const outputs = answered.map(({ output }) => output);
  const ended = answered.flatMap((sample) => (sample.finish_reason ? [Number(sample.finish_reason === "stop")] : []));
  const exact = answered.flatMap((sample) => (sample.expected === undefined ? [] : [Number(isExact(sample))]));
  return {
    results: {
      instruct: {
        n: outputs.length,
        missing: answers.length - outputs.length + invalid,
        metrics: {
          ...(ended.length > 0 ? { ended_by_itself: meanMetric(ended) } : {}),
          ...(exact.length > 0 ? { exact: meanMetric(exact) } : {}),
          characters: meanMetric(outputs.map((output) => [...output].length)),
        },
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

interface AnsweredSample {
  output: string;
  expected?: unknown;
  finish_reason?: "stop" | "length";
}

const isExact = ({ output, expected, finish_reason }: AnsweredSample): boolean =>
  finish_reason === "stop" && output.trim() === String(expected).trim();
