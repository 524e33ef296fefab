/** The playground's page: rows, two trainings, three answers side by side. */
import { render } from "preact";
import type { Mode, Who } from "../messages.js";
import { Curve } from "./curve.js";
import * as state from "./state.js";
import "../style.css";

const NAMES: Record<Who, string> = { base: "Base model", rt: "Response tuning", it: "Instruction tuning" };
const MODES: readonly Mode[] = ["rt", "it"];
const WHO: readonly Who[] = ["base", "rt", "it"];

function Head() {
  const model = state.ready.value;
  const where = model?.backend === "webgpu" ? "your GPU" : "your processor";
  return (
    <header>
      <h1>
        evoke <span class="soft">playground</span>
      </h1>
      <p class="lead">
        A language model trains in this tab, twice: on responses with their instructions, and on responses alone. Ask
        all three the same and see what tuning brings out. Nothing leaves this machine.
      </p>
      <p class="status" role="status" data-ready={model ? "yes" : "no"}>
        {model ? (
          <>
            <b>{model.model}</b>, {(model.parameters / 1e6).toFixed(1)} million parameters, on {where}
            {model.backend === "wasm" && ` (${model.threads} ${model.threads === 1 ? "thread" : "threads"})`}
          </>
        ) : (
          "Loading the model and the runtime …"
        )}
      </p>
      {model?.notes.map((note) => (
        <p class="soft small" key={note}>
          {note}
        </p>
      ))}
      {state.failure.value && (
        <p class="failure" role="alert">
          {state.failure.value}
        </p>
      )}
    </header>
  );
}

function Rows() {
  const count = state.rows.value.split("\n").filter((line) => line.trim()).length;
  const files = (event: Event): void => {
    const { files: list } = event.currentTarget as HTMLInputElement;
    if (list?.length) void state.openFiles(list);
  };
  return (
    <section>
      <h2>Rows</h2>
      <p class="soft small">
        One JSON object a line, with <code>instruction</code> and <code>output</code> or with <code>messages</code>.
        Paste yours, or drop a .jsonl file on the page. A model can be dropped too: one .gguf, or the files of a Hugging
        Face folder.
      </p>
      <textarea
        aria-label="Rows"
        rows={9}
        spellcheck={false}
        value={state.rows.value}
        onInput={(event) => {
          state.rows.value = event.currentTarget.value;
        }}
      />
      <div class="bar">
        <span class="soft small">{count} rows</span>
        <label class="button">
          Choose files
          <input type="file" multiple class="hidden" onChange={files} />
        </label>
      </div>
    </section>
  );
}

function Training() {
  const now = state.training.value;
  return (
    <section>
      <h2>Train</h2>
      <div class="bar">
        <label>
          Steps
          <input
            type="number"
            min={1}
            max={2000}
            value={state.steps.value}
            onInput={(event) => {
              state.steps.value = Math.max(1, Math.round(event.currentTarget.valueAsNumber || 1));
            }}
          />
        </label>
        <label>
          Learning rate
          <input
            type="number"
            min={0.00001}
            max={0.1}
            step="any"
            value={state.lr.value}
            onInput={(event) => {
              state.lr.value = event.currentTarget.valueAsNumber || state.lr.value;
            }}
          />
        </label>
        {MODES.map((mode) => (
          <button
            class={`primary ${mode}`}
            key={mode}
            type="button"
            disabled={state.busy.value}
            onClick={() => state.train(mode)}
          >
            {NAMES[mode]}
          </button>
        ))}
        <button type="button" disabled={!now} onClick={() => state.send({ kind: "stop" })}>
          Stop
        </button>
      </div>
      <Curve />
      <p class="legend small">
        {MODES.map((mode) => (
          <span key={mode} class={mode} data-steps={state.curves.value[mode].length}>
            {NAMES[mode]}
            {state.curves.value[mode].length > 0 && `: ${state.curves.value[mode].at(-1)!.loss.toFixed(3)}`}
          </span>
        ))}
        {now && (
          <span class="soft">
            step {now.step} of {now.steps}, {(now.seconds / now.step).toFixed(2)} s each
          </span>
        )}
      </p>
      <div class="bar">
        {MODES.map((mode) =>
          state.adapters.value[mode]?.map((file) => (
            <button
              type="button"
              key={mode + file.name}
              data-download={`${mode}/${file.name}`}
              onClick={() => state.download(file)}
            >
              {mode.toUpperCase()}: {file.name}
            </button>
          )),
        )}
      </div>
      {Object.keys(state.adapters.value).length > 0 && (
        <p class="soft small">
          Put both files of an adapter into one folder:{" "}
          <code>evoke chat {state.ready.value?.model} --adapter FOLDER</code> and PEFT take it.
        </p>
      )}
    </section>
  );
}

function Asking() {
  return (
    <section>
      <h2>Ask</h2>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          state.ask();
        }}
      >
        <input
          class="wide"
          aria-label="Question"
          value={state.question.value}
          onInput={(event) => {
            state.question.value = event.currentTarget.value;
          }}
        />
        <button class="primary" type="submit" disabled={state.busy.value || !state.question.value.trim()}>
          Ask all
        </button>
      </form>
      <div class="answers">
        {WHO.map((who) => {
          const answer = state.answers.value[who];
          return (
            <article key={who} data-answer={who} data-done={answer?.done ? "yes" : "no"}>
              <h3 class={who}>{NAMES[who]}</h3>
              <p>{answer ? answer.text || "(an empty answer)" : <span class="soft">{emptyAnswer(who)}</span>}</p>
            </article>
          );
        })}
      </div>
    </section>
  );
}

const emptyAnswer = (who: Who): string =>
  who === "base" || state.adapters.value[who] ? "has not been asked yet" : "is not trained yet";

function Ranking() {
  const { value } = state.ranks;
  return (
    <section class="ranking">
      <h2>Response ranking</h2>
      <p class="soft small">
        How often the model finds a row's own response likelier than another row's, by the mean over its tokens. Half is
        chance.
      </p>
      <button
        type="button"
        disabled={state.busy.value}
        onClick={() => state.send({ kind: "rank", rows: state.rows.value })}
      >
        Rank responses
      </button>
      <div class="ranks">
        {WHO.map((who) => {
          const found = value[who];
          return (
            <div key={who} data-rank={who}>
              <span>{NAMES[who]}</span>
              <meter min={0} max={1} value={found?.rate ?? 0} />
              <b>{found ? `${Math.round(found.rate * 100)} %` : "–"}</b>
            </div>
          );
        })}
      </div>
    </section>
  );
}

function App() {
  return (
    <main>
      <Head />
      <div class="columns">
        <div>
          <Rows />
          <Ranking />
        </div>
        <div>
          <Training />
          <Asking />
        </div>
      </div>
    </main>
  );
}

addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer?.files.length) void state.openFiles(event.dataTransfer.files);
});
render(<App />, document.getElementById("app")!);
void state.begin();
