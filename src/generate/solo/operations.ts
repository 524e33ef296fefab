/**
 * The operations that solo.wat carries out: their order gives their numbers, and their arguments, one word each, those of the
 * functions there. From this table come the dispatcher, run.wat (tools/wasm/build.ts writes it), and the programs' words.
 */
type ArgumentType = "i32" | "f32";
type Argument = readonly [name: string, type: ArgumentType];

const i32 = <Name extends string>(name: Name) => [name, "i32"] as const;
const f32 = <Name extends string>(name: Name) => [name, "f32"] as const;

export const OPERATIONS = {
  /** Ends a program; a barrier, too. */
  end: [],
  barrier: [],
  copy: [i32("to"), i32("from"), i32("bytes")],
  normalise: [i32("x"), i32("weight"), i32("out"), i32("count"), f32("epsilon"), i32("layer")],
  round: [i32("x"), i32("blocks"), i32("block"), i32("codes"), i32("scales")],
  product: [
    ...([i32("codes"), i32("scales"), i32("xCodes"), i32("xScales")] as const),
    ...([i32("y"), i32("base"), i32("blocks"), i32("block"), i32("from"), i32("to")] as const),
  ],
  add: [i32("x"), i32("y"), i32("count")],
  clip: [i32("x"), i32("count"), f32("limit")],
  softCap: [i32("x"), i32("count"), f32("limit")],
  rotate: [i32("x"), i32("cos"), i32("sin"), i32("heads"), i32("half")],
  append: [i32("new"), i32("cache"), i32("heads"), i32("size"), i32("capacity")],
  attend: [
    ...([i32("q"), i32("keys"), i32("values"), i32("out"), i32("scores")] as const),
    ...([i32("heads"), i32("size"), i32("window"), f32("softCap"), i32("thread")] as const),
  ],
  merge: [i32("parts"), i32("between"), i32("out"), i32("heads"), i32("size"), i32("scratch")],
  activate: [i32("gate"), i32("up"), i32("out"), i32("count"), i32("gelu")],
} as const satisfies Record<string, readonly Argument[]>;

export type OperationName = keyof typeof OPERATIONS;

/** As many numbers as a list has elements. */
type Numbers<List extends readonly unknown[]> = List extends readonly [unknown, ...infer Rest]
  ? [number, ...Numbers<Rest>]
  : [];

/** An operation with as many arguments as it takes. */
export type Instruction = {
  [Name in OperationName]: [op: Name, ...args: Numbers<(typeof OPERATIONS)[Name]>];
}[OperationName];

/** Words of an instruction: the operation's number, then its arguments. */
export const INSTRUCTION_WORDS = 16;

/** Writes instructions to memory that is seen as whole numbers and as floating-point ones. */
export function writeInstructions(instructions: readonly Instruction[], words: Int32Array, floats: Float32Array): void {
  const names = Object.keys(OPERATIONS);
  instructions.forEach(([name, ...args], i) => {
    const at = i * INSTRUCTION_WORDS;
    words[at] = names.indexOf(name);
    OPERATIONS[name].forEach(([, type], j) => {
      (type === "f32" ? floats : words)[at + 1 + j] = args[j]!;
    });
  });
}

/** Operations that are an instruction of WebAssembly instead of a function of the module. */
const BUILT_IN: Partial<Record<OperationName, string>> = { copy: "memory.copy" };

/** The text of run.wat: the function that carries out a program to its end. */
export function dispatcherText(): string {
  const names = Object.keys(OPERATIONS) as OperationName[];
  const next = `(local.set $p (i32.add (local.get $p) (i32.const ${4 * INSTRUCTION_WORDS})))
      (br $next))`;
  const load = (type: ArgumentType, i: number): string => `(${type}.load offset=${4 * (i + 1)} (local.get $p))`;
  const cases = names.slice(1).map((name) => {
    const loads = OPERATIONS[name].map(([, type], i) => load(type, i));
    const call = [BUILT_IN[name] ?? `call $${name}`, ...loads].join("\n        ");
    return `      (${call})\n      ${next}`;
  });
  const blocks = [...names].reverse().map((name) => `(block $${name}`);
  return `;; Carries out a program to its end. Written by tools/wasm/build.ts from operations.ts.
(func $run (param $p i32)
  (loop $next
    ${blocks.join(" ")}
      (br_table ${names.map((name) => `$${name}`).join(" ")}
        (i32.load (local.get $p))))
      ;; Behind this the program may not be read any more: the first thread is free to write another.
      (call $barrier)
      (return))
${cases.join("\n")})
`;
}
