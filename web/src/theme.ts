/** Light, dark, or as the system says. */
import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const KEY = "evoke-studio-theme";
const stored = localStorage.getItem(KEY);
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "auto");
/** Counts changes of the colours in force, whoever made them: canvases draw themselves anew. */
export const colours = signal(0);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => colours.value++);

export function applyTheme(): void {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  colours.value++;
}

export function nextTheme(): void {
  theme.value = theme.value === "auto" ? "dark" : theme.value === "dark" ? "light" : "auto";
  localStorage.setItem(KEY, theme.value);
  applyTheme();
}

/** The colour that a CSS variable means now, for canvases. */
export function colour(variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
