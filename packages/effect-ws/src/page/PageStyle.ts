/**
 * The style sheet of the demo page, as text.
 *
 * One column on a phone; on a wide screen the controls stand on the left and the log fills the rest. System fonts, one
 * accent, and both colour schemes from one set of variables through `light-dark()`.
 */

/**
 * Holds the style sheet of the demo page.
 *
 * @category page
 * @since 0.1.0
 */
export const style: string = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#fafaf8, #101214);
  --sheet: light-dark(#ffffff, #16191c);
  --ink: light-dark(#17191c, #e9eaec);
  --soft: light-dark(#5d636b, #9aa1a9);
  --line: light-dark(#e2e3e0, #272b30);
  --edge: light-dark(#8b9098, #6b727b);
  --accent: light-dark(#1f5fd6, #7eaaff);
  --on-accent: light-dark(#ffffff, #0c1220);
  --out: light-dark(#1f5fd6, #7eaaff);
  --in: light-dark(#0f7a4d, #56cf97);
  --wait: light-dark(#946200, #e8b44c);
  --bad: light-dark(#b3261e, #ff8f85);
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
* { box-sizing: border-box; }
html { font: 15px/1.5 var(--sans); background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; }
body { margin: 0; display: flex; flex-direction: column; min-height: 100dvh; }
h1, h2, p, dl, dd, ol { margin: 0; padding: 0; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

header {
  position: sticky; top: 0; z-index: 1; display: flex; align-items: center; justify-content: space-between; gap: 1rem;
  padding: .9rem 1.25rem; background: var(--paper); border-bottom: 1px solid var(--line);
}
.name { display: flex; align-items: baseline; flex-wrap: wrap; gap: 0 .9rem; }
h1 { font-size: 1.2rem; font-weight: 650; letter-spacing: -.015em; }
.name p { color: var(--soft); }
#status { display: flex; align-items: center; gap: .5rem; font-weight: 550; white-space: nowrap; }
#status::before { content: ""; width: .6rem; height: .6rem; border-radius: 50%; border: 2px solid var(--edge); }
#status[data-state="open"]::before { background: var(--in); border-color: var(--in); }
#status[data-state="connecting"]::before, #status[data-state="closing"]::before { border-color: var(--wait); }

main { flex: 1; display: flex; flex-direction: column; }
.controls { padding: 0 1.25rem; }
form { padding: 1rem 0; border-bottom: 1px solid var(--line); }
.controls > :last-child { border-bottom: 0; }
.field { display: block; margin-bottom: .7rem; }
label, .field > span, dt { display: block; font-size: .8rem; color: var(--soft); margin-bottom: .25rem; }
input, textarea {
  display: block; width: 100%; padding: .45rem .6rem; font: .87rem/1.5 var(--mono); color: inherit;
  background: var(--sheet); border: 1px solid var(--edge); border-radius: 5px;
}
textarea { resize: vertical; min-height: 4.2rem; }
::placeholder { color: var(--soft); opacity: 1; font-family: var(--sans); }
[aria-invalid] { border-color: var(--bad); }
button, .file {
  display: inline-block; margin: 0; padding: .45rem .95rem; font: 550 .9rem/1.5 var(--sans); color: var(--ink);
  background: var(--sheet); border: 1px solid var(--edge); border-radius: 5px; cursor: pointer; white-space: nowrap;
}
button:hover:enabled, .file:hover { border-color: var(--ink); }
button.main:enabled { color: var(--on-accent); background: var(--accent); border-color: var(--accent); }
button.main:hover:enabled { filter: brightness(1.08); }
button:disabled, .file:has(:disabled) { color: var(--soft); border-color: var(--line); background: none; cursor: default; }
:focus-visible, .file:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; }
.hint { font-size: .8rem; color: var(--soft); }
.problem { font-size: .87rem; color: var(--bad); }
.problem:not(:empty) { margin-top: .6rem; }
.pair { display: grid; grid-template-columns: 5.5rem 1fr; gap: 0 .6rem; }
#outcome { font-size: .9rem; }
#outcome:not(:empty) { margin-top: .8rem; padding-left: .75rem; border-left: 3px solid var(--edge); }
#outcome[data-tone="clean"] { border-color: var(--in); }
#outcome[data-tone="bad"] { border-color: var(--bad); }

.traffic { display: flex; flex-direction: column; min-width: 0; border-top: 1px solid var(--line); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.2rem; padding: 1.1rem 1.25rem; border-bottom: 1px solid var(--line); }
.figures dd { font-size: 1.05rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
.figures .hint { display: block; font-size: .8rem; }
.figures .latency { flex: 1 1 17rem; display: grid; grid-template-columns: auto 1fr; column-gap: 1.4rem; align-items: end; }
.latency dt { grid-column: 1 / -1; }
.latency dd { white-space: nowrap; }
#rtt { font-size: 2.1rem; font-weight: 300; line-height: 1.1; letter-spacing: -.02em; }
.latency .unit { font-size: 1rem; color: var(--soft); }
.latency .hint { grid-column: 1 / -1; margin-top: .2rem; font-variant-numeric: tabular-nums; }
#bars { width: 100%; max-width: 20rem; height: 2.1rem; fill: var(--accent); border-bottom: 1px solid var(--line); }
.agreed { display: flex; flex-wrap: wrap; gap: .2rem 2.2rem; padding: .6rem 1.25rem; border-bottom: 1px solid var(--line); }
.agreed div { display: flex; align-items: baseline; gap: .6rem; }
.agreed dt { margin: 0; }
.agreed dd { font: .82rem/1.5 var(--mono); overflow-wrap: anywhere; }
.bar { display: flex; align-items: center; gap: .6rem; padding: .6rem 1.25rem; }
h2 { font-size: .95rem; font-weight: 600; }
.bar button { margin-left: auto; padding: .2rem .7rem; font-size: .82rem; }
.well { position: relative; flex: 1; min-height: 16rem; border-top: 1px solid var(--line); background: var(--sheet); }
#empty { position: absolute; inset: 1rem 1.25rem auto; color: var(--soft); }
#log { list-style: none; overflow-y: auto; font: .82rem/1.55 var(--mono); max-height: 75dvh; }
#log:focus-visible { outline-offset: -2px; }
#log li { display: grid; grid-template-columns: auto auto 1fr auto; gap: 0 .7rem; padding: .3rem 1.25rem; border-bottom: 1px solid var(--line); }
#log time, #log .meta { color: var(--soft); font-variant-numeric: tabular-nums; }
#log .meta, #log .trip { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
#log .body { grid-column: 1 / -1; grid-row: 2; white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0; }
#log .arrow { font-weight: 700; }
[data-direction="out"] .arrow { color: var(--out); }
[data-direction="in"] .arrow { color: var(--in); }
[data-direction="system"] .body { font-family: var(--sans); }
[data-kind="error"] .arrow, [data-kind="error"] .body, [data-clean="false"] .body { color: var(--bad); }
#log .trip { min-width: 4.6rem; }

@media (min-width: 860px) {
  body { height: 100dvh; }
  main { flex-direction: row; min-height: 0; }
  .controls { flex: 0 0 22rem; overflow-y: auto; }
  .traffic { flex: 1; border-top: 0; border-left: 1px solid var(--line); }
  .well { display: flex; min-height: 0; }
  #log { flex: 1; max-height: none; }
  #log li { grid-template-columns: 6.8rem .9rem 1fr auto 5.2rem; }
  #log .body { grid-column: 3; grid-row: 1; }
  #log .meta { grid-column: 4; }
}
@media (max-width: 859px) {
  input, textarea { font-size: 16px; }
  header { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .6rem 1.25rem; }
  .name { display: contents; }
  .name p { grid-column: 1 / -1; grid-row: 2; font-size: .82rem; }
  .figures .latency { flex-basis: 100%; }
}
@media (prefers-reduced-motion: no-preference) {
  #status[data-state="connecting"]::before, #status[data-state="closing"]::before { animation: wait 1s ease-in-out infinite alternate; }
  @keyframes wait { to { opacity: .25; } }
}
`
