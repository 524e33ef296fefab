import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ChatModelChoice } from "../../../src/serve/studio/wire.js";
import { get } from "../api.js";
import {
  addColumn,
  ask,
  asking,
  type Column,
  changeColumn,
  clear,
  columns,
  MOST_COLUMNS,
  removeColumn,
  sampling,
  stop,
} from "../chat-state.js";
import { catalogue } from "../live.js";
import { Icon } from "../parts/icon.js";
import { TurnView } from "../parts/turn-view.js";
import { useLoad } from "../parts/use-load.js";
import { place } from "../router.js";

/** Whether answers are shown token by token with their probabilities. */
const showTokens = signal(false);

export function ChatPage() {
  const usable = catalogue.value!.runs.filter((run) => run.usable).map(({ id }) => id);
  const { value, error } = useLoad<{ models: ChatModelChoice[] }>(
    (abort) => get("/api/models", {}, abort),
    [usable.join("\n")],
  );
  const models = value?.models ?? [];
  const wanted = place.value.query.get("model");
  useEffect(() => {
    if (models.length === 0) return;
    if (wanted !== null) {
      // A run's page leads here: its base beside it, unless it is there already.
      if (columns.value.some(({ model }) => model === wanted)) return;
      const run = catalogue.value!.runs.find(({ id }) => `run:${id}` === wanted);
      if (run && columns.value.length === 0) addColumn(`base:${run.model}`);
      addColumn(wanted);
    } else if (columns.value.length === 0)
      for (const { id } of [models[0]!, ...models.filter(({ kind }) => kind === "run").slice(0, 1)]) addColumn(id);
  }, [models.length, wanted]);
  const list = columns.value;
  return (
    <div class="chat">
      <div class="head">
        <h1>Chat</h1>
        <div class="actions">
          <label class="switch">
            <input
              type="checkbox"
              checked={showTokens.value}
              onChange={(e) => (showTokens.value = e.currentTarget.checked)}
            />
            Token probabilities
          </label>
          <button type="button" onClick={clear} disabled={list.every(({ turns }) => turns.length === 0)}>
            Clear
          </button>
          <button
            type="button"
            disabled={list.length >= MOST_COLUMNS || models.length === 0}
            onClick={() => addColumn(models.at(-1)!.id)}
          >
            <Icon name="plus" />{" "}
            <span>
              Add<span class="more"> a model</span>
            </span>
          </button>
        </div>
      </div>
      {error && <p class="notice bad">{error}</p>}
      <div class="columns" data-count={list.length}>
        {list.map((column) => (
          <ColumnView key={column.key} column={column} models={models} only={list.length === 1} />
        ))}
      </div>
      <Composer />
    </div>
  );
}

function ColumnView({ column, models, only }: { column: Column; models: readonly ChatModelChoice[]; only: boolean }) {
  const { key, model, template, turns } = column;
  const end = useRef<HTMLDivElement>(null);
  const last = turns.at(-1);
  // Follows the text as it is written, unless the reader has scrolled up.
  useEffect(() => {
    const box = end.current?.parentElement;
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < 160) box.scrollTop = box.scrollHeight;
  }, [last?.answer, turns.length]);
  const groups = [
    ["Base models", models.filter(({ kind }) => kind === "base")],
    ["Runs", models.filter(({ kind }) => kind === "run")],
  ] as const;
  return (
    <section class="column card" aria-label={`Conversation with ${model}`}>
      <div class="column-head">
        <select
          aria-label="Model"
          value={model}
          onChange={(event) => changeColumn(key, { model: event.currentTarget.value })}
        >
          {!models.some(({ id }) => id === model) && <option value={model}>{model}</option>}
          {groups.map(([name, group]) => (
            <optgroup key={name} label={name}>
              {group.map(({ id, label }) => (
                <option key={id} value={id}>
                  {label}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
        <select
          aria-label="Template"
          title="How the conversation becomes text"
          value={template}
          onChange={(event) => changeColumn(key, { template: event.currentTarget.value as Column["template"] })}
        >
          <option value="auto">auto</option>
          <option value="tulu">tulu</option>
          <option value="model">model</option>
          <option value="none">none</option>
        </select>
        {!only && (
          <button type="button" class="quiet" aria-label={`Remove ${model}`} onClick={() => removeColumn(key)}>
            <Icon name="close" />
          </button>
        )}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys scroll what has the focus */}
      <div class="turns" tabIndex={0} aria-live="polite" aria-busy={asking.value}>
        {turns.map((turn, i) => (
          <TurnView key={i} turn={turn} tokens={showTokens.value} />
        ))}
        {turns.length === 0 && <p class="soft hollow">Nothing asked yet</p>}
        <div ref={end} />
      </div>
    </section>
  );
}

function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const send = (): void => {
    const text = field.current!.value.trim();
    if (text === "" || asking.value || columns.value.length === 0) return;
    field.current!.value = "";
    void ask(text);
  };
  return (
    <form
      class="composer card"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="ask">
        <textarea
          ref={field}
          rows={2}
          aria-label="Question to all models"
          placeholder="Ask all models the same"
          title="Enter sends, Shift+Enter begins a new line"
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        {asking.value ? (
          <button type="button" class="danger" onClick={stop}>
            <Icon name="stop" /> Stop
          </button>
        ) : (
          <button type="submit" class="primary">
            <Icon name="send" /> Ask
          </button>
        )}
      </div>
      <details>
        <summary>Sampling and system message</summary>
        <div class="grid">
          <NumberField name="temperature" label="Temperature" min={0} max={10} step={0.1} />
          <NumberField name="topP" label="Top-p" min={0.01} max={1} step={0.01} />
          <NumberField name="maxTokens" label="Most tokens" min={1} max={8192} step={1} />
          <NumberField name="seed" label="Seed" min={0} max={2 ** 31} step={1} />
        </div>
        <label class="field">
          System message
          <input
            value={sampling.value.system}
            onInput={(event) => (sampling.value = { ...sampling.value, system: event.currentTarget.value })}
          />
        </label>
      </details>
    </form>
  );
}

type NumberName = "temperature" | "topP" | "maxTokens" | "seed";

function NumberField({
  name,
  label,
  ...range
}: {
  name: NumberName;
  label: string;
  min: number;
  max: number;
  step: number;
}) {
  return (
    <label class="field">
      {label}
      <input
        type="number"
        {...range}
        value={sampling.value[name]}
        onInput={(event) => {
          const { valueAsNumber, validity } = event.currentTarget;
          if (validity.valid && Number.isFinite(valueAsNumber))
            sampling.value = { ...sampling.value, [name]: valueAsNumber };
        }}
      />
    </label>
  );
}
