/** POST /v1/embeddings: the mean of a text's last hidden states, of length 1 (reference: "Create embeddings"). */
import { z } from "zod";
import { type CompletionContext, type Exchange, findModel, sendJson, whileWanted } from "./completions.js";
import { refuseUnsupported } from "./field-table.js";
import { check, optional, promptSchema, promptsOf } from "./wire-request.js";

const schema = z.object({
  model: optional(z.string()),
  input: promptSchema,
  encoding_format: optional(z.enum(["float", "base64"])),
});

/** Ends when the answer is sent or the client has gone. */
export async function embed(context: CompletionContext, body: unknown, exchange: Exchange): Promise<void> {
  refuseUnsupported(body, "embeddings");
  const given = check(schema, body);
  const { backend, admission } = context;
  const model = findModel(backend, given.model);
  const prompts = promptsOf(given.input);
  const stay = admission.enter(prompts.length);
  try {
    const all = await whileWanted(context, exchange, (signal) =>
      prompts.map((prompt) => stay.turn(1, signal, () => backend.embed({ ...prompt, adapter: model.adapter }, signal))),
    );
    const data = all.map(({ vector }, index) => ({
      object: "embedding",
      index,
      embedding: given.encoding_format === "base64" ? base64(vector) : [...vector],
    }));
    const tokens = all.reduce((sum, one) => sum + one.tokens, 0);
    context.metrics.tokens.inc({ kind: "prompt", model: model.id }, tokens);
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    sendJson(exchange.response, 200, { object: "list", data, model: model.id, usage });
  } finally {
    stay.leave();
  }
}

/** Little-endian float32, as clients of the API read it. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString("base64");
}
