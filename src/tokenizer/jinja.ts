/**
 * `@huggingface/jinja` where it reads chat templates as Jinja2 and Python do not: `strip('\n')` ignored its argument, white space was
 * JavaScript's, and a loop over an undefined value was an error.
 */
import { Environment, Interpreter, Template } from "@huggingface/jinja";
import { pythonStrip } from "./python-space.js";

interface Value {
  value: unknown;
  type: string;
}
type Method = (args: Value[]) => Value;
interface Node {
  defaultBlock: unknown;
  filter: { type: string; value: string };
}
/** What the interpreter calls inside; its declarations hide it. */
interface Insides {
  evaluateFor(node: Node, environment: Environment): Value;
  evaluateBlock(block: unknown, environment: Environment): Value;
  applyFilter(operand: Value, filter: { type: string; value: string }, environment: Environment): Value;
}

const insides = Interpreter.prototype as unknown as Insides;
/** The interpreter without its declarations, which forbid to override what is private. */
const Base = Interpreter as unknown as new (environment: Environment) => { run(program: unknown): Value };

class PythonInterpreter extends Base {
  evaluateFor(node: Node, environment: Environment): Value {
    try {
      return insides.evaluateFor.call(this as never, node, environment);
    } catch (error) {
      // Loops inside this one have met their own undefined values here already.
      if (!(error as Error).message?.endsWith("in for loop: got UndefinedValue")) throw error;
      return insides.evaluateBlock.call(this as never, node.defaultBlock, new Environment(environment));
    }
  }

  applyFilter(operand: Value, filter: { type: string; value: string }, environment: Environment): Value {
    const trims = operand.type === "StringValue" && filter.type === "Identifier" && filter.value === "trim";
    return trims
      ? text(pythonStrip(operand.value as string, undefined, true, true))
      : insides.applyFilter.call(this as never, operand, filter, environment);
  }
}

const sample = new Interpreter(new Environment()).run(new Template("a").parsed) as unknown as Value & {
  builtins: Map<string, { value: Method }>;
};
const StringValue = sample.constructor as new (value: string) => Value;
const FunctionValue = sample.builtins.get("strip")!.constructor as new (method: Method) => { value: Method };
const text = (value: string): Value => new StringValue(value);

// The methods of strings, with the stripping ones as Python has them.
const original = Object.getOwnPropertyDescriptor(StringValue.prototype, "builtins")!.get!;
const STRIPS: [string, boolean, boolean][] = [
  ["strip", true, true],
  ["lstrip", true, false],
  ["rstrip", false, true],
];
const ready = new WeakSet<Map<string, unknown>>();
Object.defineProperty(StringValue.prototype, "builtins", {
  configurable: true,
  get(this: Value): Map<string, unknown> {
    const methods = original.call(this) as Map<string, unknown>;
    if (ready.has(methods)) return methods;
    for (const [name, left, right] of STRIPS) {
      const method: Method = ([characters]) => {
        const named = characters?.type === "StringValue" ? (characters.value as string) : undefined;
        return text(pythonStrip(this.value as string, named, left, right));
      };
      methods.set(name, new FunctionValue(method));
    }
    ready.add(methods);
    return methods;
  },
});

/** Runs a template with these variables. */
export function renderJinja(template: Template, variables: Readonly<Record<string, unknown>>): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  return new PythonInterpreter(environment).run(template.parsed).value as string;
}
