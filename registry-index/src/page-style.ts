// The style of the page. Light and dark come from the reader's system; nothing is loaded.
export const pageStyle = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d2126; --soft: #5b646e; --line: #dfe1e4; --accent: #0b62a8; --accent-ink: #ffffff;
  --code: #f1f2f4; --good: #1c6b3c; --warn: #8a4b00; --bad: #a3212b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1c2024; --ink: #e7e9ec; --soft: #a2abb5; --line: #33393f; --accent: #74b6f2; --accent-ink: #10202e;
    --code: #262b30; --good: #7fcf9b; --warn: #f0b866; --bad: #f2949b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
.page { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header.page { padding-top: 2.25rem; padding-bottom: 0.5rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 0.35rem; letter-spacing: -0.01em; }
header p { margin: 0; color: var(--soft); max-width: 44rem; }
a { color: var(--accent); }
code, pre { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace; font-size: 0.875em; }
code { background: var(--code); border-radius: 4px; padding: 0.1em 0.35em; overflow-wrap: anywhere; }
pre { background: var(--code); border-radius: 8px; padding: 0.7rem 0.9rem; margin: 0.4rem 0 0; overflow-x: auto; }
pre code { background: none; padding: 0; overflow-wrap: normal; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
.bar { position: sticky; top: 0; z-index: 1; background: var(--paper); border-bottom: 1px solid var(--line); }
form { display: grid; grid-template-columns: minmax(12rem, 2fr) repeat(3, minmax(8rem, 1fr)); gap: 0.75rem; padding: 0.9rem 0 0.4rem; align-items: end; }
label { display: grid; gap: 0.2rem; font-size: 0.8125rem; color: var(--soft); min-width: 0; }
input, select { font: inherit; font-size: 1rem; width: 100%; min-height: 2.75rem; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.4rem 0.7rem; }
.count { margin: 0; padding: 0 0 0.6rem; font-size: 0.875rem; color: var(--soft); }
main.page { padding-top: 1rem; padding-bottom: 3rem; }
ul.entries { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.6rem; }
.entries > li { background: var(--card); border: 1px solid var(--line); border-radius: 10px; scroll-margin-top: 9rem; }
summary { display: grid; grid-template-columns: 1fr auto; gap: 0.15rem 1rem; padding: 0.8rem 1rem; cursor: pointer; border-radius: 10px; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:hover .name { text-decoration: underline; text-underline-offset: 3px; }
.name { font-weight: 600; }
.about { color: var(--soft); grid-column: 1; }
.marks { grid-column: 2; grid-row: 1 / span 2; display: flex; flex-wrap: wrap; gap: 0.35rem; justify-content: flex-end; align-content: flex-start; max-width: 17rem; }
.mark { font-size: 0.75rem; line-height: 1.5; border: 1px solid var(--line); border-radius: 99px; padding: 0.05rem 0.6rem; color: var(--soft); white-space: nowrap; }
.mark.kind { border-color: var(--accent); color: var(--accent); }
.mark.deprecated { border-color: var(--warn); color: var(--warn); }
.mark.archived { border-color: var(--bad); color: var(--bad); }
.inside { border-top: 1px solid var(--line); padding: 0.4rem 1rem 1.1rem; }
h2 { font-size: 0.9375rem; margin: 1.1rem 0 0.3rem; }
.inside p { margin: 0.35rem 0; }
.notice { border-left: 3px solid var(--warn); padding-left: 0.75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; margin: 0.3rem 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.tools { list-style: none; margin: 0.3rem 0 0; padding: 0; display: grid; gap: 0.35rem; }
.tools li { display: grid; grid-template-columns: minmax(0, 19rem) minmax(0, 1fr); gap: 0.1rem 1rem; }
.tools span { color: var(--soft); font-size: 0.9375rem; }
.read { color: var(--good); } .write { color: var(--warn); } .destructive { color: var(--bad); }
.hint { font-size: 0.75rem; white-space: nowrap; }
.none { color: var(--soft); padding: 2rem 0; text-align: center; }
footer.page { border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; padding-top: 1rem; padding-bottom: 2rem; }
[hidden] { display: none !important; }
@media (max-width: 44rem) {
  header.page { padding-top: 1.4rem; }
  .bar { position: static; }
  form { grid-template-columns: 1fr 1fr 1fr; gap: 0.5rem; }
  form label:first-child { grid-column: 1 / -1; }
  input, select { padding: 0.4rem 0.5rem; }
  summary { grid-template-columns: 1fr; padding: 0.75rem 0.85rem; }
  .marks { grid-column: 1; grid-row: auto; justify-content: flex-start; max-width: none; margin-top: 0.25rem; }
  .inside { padding: 0.3rem 0.85rem 1rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.4rem; }
  .tools li { grid-template-columns: 1fr; }
}
`;
