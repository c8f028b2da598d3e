// The script of the page: it hides what the search and the filters leave out. Without it everything is shown.
export const pageScript = `
'use strict';
const form = document.querySelector('form');
const entries = [...document.querySelectorAll('.entries > li')];
const count = document.querySelector('.count');
const none = document.querySelector('.none');
form.hidden = false;

function filter() {
  const words = form.search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const wanted = { kind: form.kind.value, category: form.category.value, status: form.status.value };
  let shown = 0;
  for (const entry of entries) {
    const fits = Object.entries(wanted).every(([key, value]) => value === '' || entry.dataset[key].split(' ').includes(value));
    const found = fits && words.every((word) => entry.dataset.text.includes(word));
    entry.hidden = !found;
    if (found) shown += 1;
  }
  count.textContent = shown === 1 ? '1 entry' : shown + ' entries';
  none.hidden = shown > 0;
}

function openNamed() {
  const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (entry === null || !entries.includes(entry)) return;
  if (entry.hidden) {
    form.reset();
    filter();
  }
  entry.querySelector('details').open = true;
  entry.scrollIntoView();
  entry.querySelector('summary').focus({ preventScroll: true });
}

form.addEventListener('input', filter);
form.addEventListener('submit', (event) => event.preventDefault());
addEventListener('hashchange', openNamed);
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || /^(?:INPUT|SELECT)$/.test(event.target.tagName)) return;
  event.preventDefault();
  form.search.focus();
});
filter();
openNamed();
`;
