import { useState } from "preact/hooks";
import type {
  SessionInfo,
  TrainingChoices,
  TrainingRequest,
  TrainingSettings,
} from "../../../src/serve/studio/wire.js";
import { get, post } from "../api.js";
import { useLoad } from "../parts/use-load.js";
import { go, href } from "../router.js";

interface Setting {
  key: keyof TrainingSettings;
  label: string;
  hint: string;
  step: string;
}

const SETTINGS: readonly Setting[] = [
  { key: "epochs", label: "Epochs", hint: "passes over the rows", step: "any" },
  { key: "max_steps", label: "Steps", hint: "instead of epochs", step: "1" },
  { key: "optimizer.lr", label: "Learning rate", hint: "peak, such as 0.0001", step: "any" },
  { key: "lora.r", label: "LoRA rank", hint: "", step: "1" },
  { key: "batch.micro", label: "Micro-batch", hint: "examples at once", step: "1" },
  { key: "batch.accumulation", label: "Accumulation", hint: "micro-batches a step", step: "1" },
  { key: "max_length", label: "Longest example", hint: "tokens", step: "1" },
  { key: "seed", label: "Seed", hint: "", step: "1" },
];

export function NewTrainingPage() {
  const choices = useLoad<TrainingChoices>((abort) => get("/api/choices", {}, abort), []);
  const session = useLoad<SessionInfo>((abort) => get("/api/session", {}, abort), []);
  const [way, setWay] = useState<"recipe" | "short">("recipe");
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const start = (event: SubmitEvent): void => {
    event.preventDefault();
    const request = readForm(new FormData(event.currentTarget as HTMLFormElement), way);
    setProblem(undefined);
    setBusy(true);
    post<{ id: string }>("/api/train", request)
      .then(({ id }) => go("run", id))
      .catch((error: Error) => setProblem(error.message))
      .finally(() => setBusy(false));
  };
  return (
    <>
      <p class="crumbs">
        <a href={href("runs")}>Runs</a>
      </p>
      <h1>New training</h1>
      <form class="card form" onSubmit={start}>
        <fieldset class="ways">
          <legend class="hidden">What to start from</legend>
          <Way label="A recipe file" value="recipe" way={way} set={setWay} />
          <Way label="A short form" value="short" way={way} set={setWay} />
        </fieldset>
        {choices.error && <p class="notice bad">{choices.error}</p>}
        {way === "recipe" ? (
          <Select name="recipe" label="Recipe" list={choices.value?.recipes} />
        ) : (
          <>
            <Select name="model" label="Base model" list={choices.value?.models} />
            <Select name="data" label="Training rows" list={choices.value?.data} />
            <label class="field">
              Method
              <select name="method">
                <option value="qlora">QLoRA: an adapter over a 4-bit base</option>
                <option value="lora">LoRA: an adapter over the base as it is</option>
                <option value="full">Full: all weights</option>
              </select>
            </label>
          </>
        )}
        <p class="soft small">
          Files are looked for in {session.value?.places.join(", ") ?? "…"}; <code>evoke studio --files FOLDER</code>{" "}
          adds a folder.
        </p>
        <label class="field">
          Mode
          <select name="mode">
            {way === "recipe" && <option value="">as the recipe says</option>}
            <option value="it">IT: instruction and response</option>
            <option value="rt">RT: the response alone</option>
          </select>
        </label>
        <details>
          <summary>Settings {way === "recipe" ? "that override the recipe's" : ""}</summary>
          <div class="grid">
            {SETTINGS.map(({ key, label, hint, step }) => (
              <label class="field" key={key}>
                {label}
                <input name={key} type="number" min="0" step={step} placeholder={hint} />
              </label>
            ))}
          </div>
        </details>
        <label class="field">
          Name of the run
          <input
            name="name"
            required
            pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,63}"
            title="Letters, digits, dots, dashes and underscores"
            placeholder="my-first-run"
            autocomplete="off"
          />
        </label>
        {problem && (
          <p class="notice bad" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Checking…" : "Start"}
        </button>
      </form>
    </>
  );
}

type WayName = "recipe" | "short";

function Way({ label, value, way, set }: { label: string; value: WayName; way: WayName; set(way: WayName): void }) {
  return (
    <label>
      <input type="radio" name="way" value={value} checked={way === value} onChange={() => set(value)} />
      <span>{label}</span>
    </label>
  );
}

function Select({ name, label, list }: { name: string; label: string; list?: { id: string; label: string }[] }) {
  return (
    <label class="field">
      {label}
      <select name={name} required disabled={list === undefined}>
        {list?.length === 0 && <option value="">none found</option>}
        {list?.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {choice.label}
          </option>
        ))}
      </select>
    </label>
  );
}

function readForm(form: FormData, way: WayName): TrainingRequest {
  const text = (name: string): string => String(form.get(name) ?? "");
  const numbers = SETTINGS.flatMap(({ key }) => (text(key) === "" ? [] : [[key, Number(text(key))]]));
  const words = ["mode", ...(way === "short" ? ["method"] : [])].flatMap((key) =>
    text(key) ? [[key, text(key)]] : [],
  );
  const settings = Object.fromEntries([...words, ...numbers]) as TrainingSettings;
  const name = text("name");
  return way === "recipe"
    ? { name, settings, recipe: text("recipe") }
    : { name, settings, model: text("model"), data: text("data") };
}
