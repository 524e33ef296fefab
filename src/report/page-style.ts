/**
 * What all our pages look like: colours of text keep a contrast of 4.5 : 1 or more in light, dark and print; `--curve-n`
 * colours lines and bars.
 */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --card: #f6f8fa; --focus: #0b62c4;
  --curve-0: #0b62c4; --curve-1: #b3420d; --curve-2: #0a7a53; --curve-3: #8a3ea8; --curve-4: #7a5c00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e6e9ed; --soft: #a3acb6; --line: #3a424c; --card: #1d2228; --focus: #7cb7ff;
    --curve-0: #7cb7ff; --curve-1: #ff9d6b; --curve-2: #5fd6a6; --curve-3: #d69bf0; --curve-4: #e3c25a;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { margin-top: 2.5rem; font-size: 1.25rem; }
h3 { margin: 0 0 .5rem; font-size: 1.05rem; white-space: pre-wrap; overflow-wrap: anywhere; }
h4 { margin: 0; font-size: .85rem; color: var(--soft); }
dl { display: grid; gap: .25rem; margin: 0; } dl div { display: flex; gap: .75rem; }
dt { min-width: 11rem; color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; }
figure { margin: 0; } figure > svg { width: 100%; max-width: 760px; height: auto; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
@media print {
  :root { --paper: #fff; --ink: #000; --soft: #444; --line: #999; --card: #fff; }
  body { max-width: none; padding: 0; }
}
`;
