// The style of the documentation page. It needs nothing from outside: no font, no picture, no script.

export const style = `
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5a6577; --line: #dde2ea; --paper: #fff; --wash: #f5f7fa; --link: #1b5fc1;
  --get: #1b6e3c; --post: #1b5fc1; --put: #8a5a00; --patch: #6f3fb0; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ef; --soft: #9aa5b5; --line: #2d3542; --paper: #12161d; --wash: #1a202a;
  --link: #7fb0ff; --get: #6fcf97; --post: #7fb0ff; --put: #e5b567; --patch: #c09bf0; --delete: #ff8a80; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
code, pre { font: 0.875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { background: var(--wash); border-radius: 4px; padding: 0.1em 0.3em; overflow-wrap: anywhere; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border-right: 1px solid var(--line); background: var(--wash); padding: 1.25rem; }
nav strong { display: block; font-size: 1.05rem; }
nav small { color: var(--soft); }
nav h2 { font-size: 0.75rem; letter-spacing: 0.06em; text-transform: uppercase; color: var(--soft); margin: 1.4rem 0 0.3rem; border: 0; padding: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { font-size: 0.875rem; line-height: 1.35; margin: 0.25rem 0; display: grid; grid-template-columns: 3.2rem 1fr; gap: 0.4rem; align-items: baseline; }
nav .method { font-size: 0.65rem; text-align: right; }
main { padding: 2rem 2.5rem 6rem; max-width: 62rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 0.75rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line); }
main h2 { text-transform: capitalize; }
h3 { font-size: 1.05rem; margin: 0 0 0.4rem; }
h4 { font-size: 0.8rem; letter-spacing: 0.04em; text-transform: uppercase; color: var(--soft); margin: 1.1rem 0 0.35rem; }
p { margin: 0 0 0.7rem; }
article { border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.25rem; margin: 1rem 0; }
article:target { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
.place { display: flex; flex-wrap: wrap; gap: 0.6rem; align-items: center; margin-bottom: 0.5rem; }
.place code { font-size: 0.95rem; background: none; padding: 0; }
.method { font: 700 0.75rem ui-monospace, Menlo, Consolas, monospace; color: var(--soft); }
.place .method { border: 1px solid currentColor; border-radius: 4px; padding: 0.1rem 0.45rem; }
.GET { color: var(--get); } .POST { color: var(--post); } .PUT { color: var(--put); } .PATCH { color: var(--patch); } .DELETE { color: var(--delete); }
.role { margin-left: auto; font-size: 0.75rem; color: var(--soft); border: 1px solid var(--line); border-radius: 1rem; padding: 0.05rem 0.6rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 0.75rem; }
th, td { padding: 0.35rem 0.75rem 0.35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td:first-child { white-space: nowrap; }
td.type { color: var(--soft); min-width: 9rem; }
.needed, .maybe { font-size: 0.75rem; margin-left: 0.3rem; color: var(--delete); }
.maybe { color: var(--soft); }
pre { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem 0.9rem; overflow-x: auto; margin: 0.3rem 0; }
pre code { background: none; padding: 0; overflow-wrap: normal; }
details { margin-top: 0.5rem; }
summary { cursor: pointer; color: var(--link); font-size: 0.875rem; }
ul.answers { margin: 0; padding-left: 1.1rem; font-size: 0.875rem; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; max-height: 45vh; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1.25rem 1rem 4rem; } .role { margin-left: 0; } thead { display: none; }
  td { display: block; border: 0; padding: 0 0 0 1rem; } td:first-child { padding: 0.5rem 0 0; white-space: normal; } td.type { min-width: 0; } }
@media print { nav { display: none; } body { display: block; } article { break-inside: avoid; } }
`;
