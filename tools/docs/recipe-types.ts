/** TypeScript for a recipe as data, made from its JSON Schema: types and comments say what the schema says. */

interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  prefixItems?: Schema[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/** An exported interface with a doc comment for each field. */
export function interfaceOf(name: string, about: string, schema: Schema): string {
  return `/** ${about} */\nexport interface ${name} ${objectType(schema, "")}\n`;
}

function objectType({ properties = {}, required = [] }: Schema, indent: string): string {
  const inner = `${indent}  `;
  const fields = Object.entries(properties).map(([name, field]) => {
    const optional = !required.includes(name);
    const type = typeOf(field, inner) + (optional ? " | undefined" : "");
    return `${inner}${comment(field, inner)}${name}${optional ? "?" : ""}: ${type};`;
  });
  return `{\n${fields.join("\n")}\n${indent}}`;
}

function comment(schema: Schema, indent: string): string {
  const parts = [schema.description, schema.default === undefined ? undefined : `Default ${printed(schema.default)}.`];
  const text = parts.filter((part) => part !== undefined && part !== "").join(" ");
  return text === "" ? "" : `/** ${text.replaceAll("*/", "*\\/")} */\n${indent}`;
}

const printed = (value: unknown): string =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
    ? "all defaults"
    : JSON.stringify(value);

function typeOf(schema: Schema, indent: string): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((each) => typeOf(each, indent)).join(" | ");
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array":
      if (schema.prefixItems) return `readonly [${schema.prefixItems.map((each) => typeOf(each, indent)).join(", ")}]`;
      return `readonly ${grouped(typeOf(schema.items ?? {}, indent))}[]`;
    case "object":
      if (schema.properties) return objectType(schema, indent);
      if (typeof schema.additionalProperties === "object")
        return `Readonly<Record<string, ${typeOf(schema.additionalProperties, indent)}>>`;
      return "Readonly<Record<string, unknown>>";
    default:
      return "unknown";
  }
}

const grouped = (type: string): string => (type.includes(" | ") ? `(${type})` : type);
