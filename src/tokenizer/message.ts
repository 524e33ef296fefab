/** One turn of a conversation, as chat templates take it. */
export type Role = "system" | "user" | "assistant" | "tool" | "developer";

/** One turn of a conversation, as chat templates take it. */
export interface Message {
  /** Who speaks. */
  role: Role;
  /** What is said. */
  content: string;
  /** Further fields for the template, under their own names: tool_calls, tool_call_id, name, reasoning_content, … */
  fields?: Readonly<Record<string, unknown>>;
}

/** What a conversation brings for its template besides the turns. */
export interface TemplateInput {
  /** Functions the model may call, as OpenAI and transformers describe them. */
  tools?: readonly unknown[];
  /** Further variables (`chat_template_kwargs`), such as `enable_thinking`. */
  variables?: Readonly<Record<string, unknown>>;
}
