import { PY_DIGIT, PY_SPACE, strip } from "../data/python-text.js";

/** One filled-in example of an instruction. */
export interface Instance {
  instruction: string;
  input: string;
  output: string;
}

const EXAMPLE = new RegExp(`Example[${PY_SPACE}]?[${PY_DIGIT}]*\\.?`, "u");
const OUTPUT = new RegExp(`Output[${PY_SPACE}]*[${PY_DIGIT}]*[${PY_SPACE}]*:`, "u");
const INPUT = new RegExp(`Input[${PY_SPACE}]*[${PY_DIGIT}]*[${PY_SPACE}]*:`, "u");
const LEADING_INPUT = new RegExp(`^${INPUT.source}`, "u");
const CLASS_LABEL = "Class label:";

/**
 * Reads the instances out of a transcript, by the rules of Self-Instruct's preparation step: input-first for tasks that
 * write ("Example 1", "Input:", "Output:"), output-first for classification ("Class label:", then the input).
 *
 * @param isCut whether the transcript was cut off by length; its last instance is then incomplete and left out.
 * @returns the valid instances without duplicates, in their order; none if two share an input but not the output.
 */
export function parseInstances(
  transcript: string,
  instruction: string,
  isClassification: boolean,
  isCut: boolean,
): Instance[] {
  const pairs = isClassification ? classificationPairs(transcript) : generationPairs(transcript);
  const complete = isCut ? pairs.slice(0, -1) : pairs;
  const title = strip(instruction);
  const valid = complete.filter(isValid).map(([input, output]) => ({ instruction: title, input, output }));
  return withoutConflicts(valid);
}

type Pair = [input: string, output: string];

function generationPairs(transcript: string): Pair[] {
  const text = strip(transcript);
  if (EXAMPLE.test(text))
    return text
      .split(EXAMPLE)
      .map((part) => strip(part))
      .filter((part) => part !== "")
      .map(readPair);
  return OUTPUT.test(text) ? [readPair(text)] : [];
}

function readPair(text: string): Pair {
  const parts = text.split(OUTPUT);
  const input = parts.length > 1 ? strip(parts[0]!) : "";
  const output = strip((parts.length > 1 ? parts[1]! : text).split(INPUT)[0]!); // a second pair that follows is dropped
  return [strip(input.replace(LEADING_INPUT, "")), output];
}

function classificationPairs(transcript: string): Pair[] {
  return transcript
    .split(CLASS_LABEL)
    .slice(1)
    .map((part): Pair => {
      const text = strip(part);
      const lineEnd = text.indexOf("\n");
      return lineEnd < 0 ? ["", text] : [strip(text.slice(lineEnd + 1)), strip(text.slice(0, lineEnd))];
    });
}

/** An instance that ends with a colon was not finished; one whose output is its input says nothing. */
function isValid([input, output]: Pair): boolean {
  return input !== output && output !== "" && !input.endsWith(":") && !output.endsWith(":");
}

function withoutConflicts(instances: Instance[]): Instance[] {
  const outputs = new Map<string, string>();
  const kept: Instance[] = [];
  const seen = new Set<string>();
  for (const instance of instances) {
    const { input, output } = instance;
    if (input !== "") {
      const known = outputs.get(input);
      if (known !== undefined && known !== output) return [];
      outputs.set(input, output);
    }
    const key = JSON.stringify([input, output]);
    if (!seen.has(key)) kept.push(instance);
    seen.add(key);
  }
  return kept;
}
