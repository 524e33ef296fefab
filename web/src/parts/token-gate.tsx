import { useRef } from "preact/hooks";
import { setToken, tokenWanted } from "../api.js";

/** Asks for the token of a studio that is reachable from other machines. */
export function TokenGate() {
  const field = useRef<HTMLInputElement>(null);
  return (
    <main class="gate">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          setToken(field.current!.value);
        }}
      >
        <h1>evoke studio</h1>
        {tokenWanted.value === "wrong" && (
          <p class="notice bad" role="alert">
            That is not the token.
          </p>
        )}
        <label class="field">
          Token that the studio was started with
          <input ref={field} type="password" autocomplete="off" required />
        </label>
        <button type="submit" class="primary">
          Open
        </button>
      </form>
    </main>
  );
}
