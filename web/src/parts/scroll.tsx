import type { ComponentChildren } from "preact";

/** A wide thing that scrolls sideways, by keyboard too. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys scroll what has the focus
    <section class="card scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
