/** Chat templates that fit into Ollama's form. */
import type { Render } from "../../src/export/ollama/turns.js";
import { renderModelTemplate, renderTulu } from "../../src/tokenizer/chat-template.js";
import { letterTokenizer } from "./fixture-model.js";

const jinja =
  (chatTemplate: string): Render =>
  (messages, addGenerationPrompt) =>
    renderModelTemplate({ ...letterTokenizer(), chatTemplate }, messages, { addGenerationPrompt });

const TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n";
const OPEN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
export const TEMPLATES: Record<string, Render> = {
  tulu: (messages, addGenerationPrompt) => renderTulu(messages, "</s>", { addGenerationPrompt }),
  chatml: jinja(`{% for m in messages %}${TURN}{% endfor %}${OPEN}`),
  "chatml with a default system turn": jinja(
    `{% if messages[0].role != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n{% endif %}{% for m in messages %}${TURN}{% endfor %}${OPEN}`,
  ),
  zephyr: jinja(
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
  ),
  "no system turns": jinja(
    "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
  ),
  braces: jinja(
    "{% for m in messages %}{{ '{' + m.role + ': {{' }}{{ m.content }}{{ '}} {}}' }}{% endfor %}{% if add_generation_prompt %}{{ '{' }}{% endif %}",
  ),
  llama3: jinja(
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
  ),
};
