import { useState } from "preact/hooks";
import type { Turn, WrittenToken } from "../chat-state.js";
import { percent } from "../format.js";

/** A question and a model's answer; on demand the exact prompt, and the tokens with their probabilities. */
export function TurnView({ turn, tokens }: { turn: Turn; tokens: boolean }) {
  const { question, state, answer, prompt, end, error } = turn;
  return (
    <article class="turn">
      <p class="question">{question}</p>
      {state === "loading" && <p class="soft">Loading the model…</p>}
      {state === "waiting" && <p class="soft">Waiting…</p>}
      {tokens && turn.tokens.length > 0 ? (
        <Tokens tokens={turn.tokens} />
      ) : (
        <p class="answer">
          {answer}
          {state === "writing" && <span class="caret" />}
        </p>
      )}
      {error && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
      <p class="ending soft">
        {state === "stopped" && "stopped by you"}
        {end &&
          `${end.finishReason === "stop" ? "ended by itself" : "cut at the limit"} · ${end.outputTokens} tokens · ${(end.outputTokens / Math.max(end.seconds, 1e-3)).toFixed(0)} tokens/s`}
      </p>
      {prompt && (
        <details class="prompt">
          <summary>
            Exact prompt ({prompt.tokens} tokens, template {prompt.template})
          </summary>
          <pre>{prompt.text}</pre>
        </details>
      )}
    </article>
  );
}

/** Tokens coloured by how probable each was; one of them can be opened. */
function Tokens({ tokens }: { tokens: readonly WrittenToken[] }) {
  const [open, setOpen] = useState<number>();
  const picked = open === undefined ? undefined : tokens[open];
  return (
    <>
      <div class="tokens">
        {tokens.map(({ token, logprob }, i) => (
          <button
            key={i}
            type="button"
            class={`p${grade(logprob)}`}
            aria-pressed={open === i}
            aria-label={`${token}, ${percent(Math.exp(logprob))}`}
            onClick={() => setOpen(open === i ? undefined : i)}
          >
            {visible(token)}
          </button>
        ))}
      </div>
      {picked && (
        <table class="chances">
          <caption>
            Token {picked.id}: {percent(Math.exp(picked.logprob))}
          </caption>
          <tbody>
            {picked.top.map(({ token, logprob }, i) => (
              <tr key={i} class={token === picked.token ? "taken" : undefined}>
                <th scope="row">
                  <code>{visible(token) || "(none)"}</code>
                </th>
                <td>
                  <meter min={0} max={1} value={Math.exp(logprob)} aria-hidden="true" />
                </td>
                <td>{percent(Math.exp(logprob))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** 0: nearly certain … 4: a surprise. */
function grade(logprob: number): number {
  const p = Math.exp(logprob);
  return p > 0.9 ? 0 : p > 0.6 ? 1 : p > 0.3 ? 2 : p > 0.1 ? 3 : 4;
}

function visible(token: string): string {
  return token.replace(/\n/g, "⏎\n").replace(/\t/g, "⇥");
}
