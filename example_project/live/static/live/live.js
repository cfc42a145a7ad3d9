// Keeps the part of a page that is marked with data-live up to date: asks the JSON view that it names once a second,
// and fetches the page anew when the workflow has come to another stage. Without it the page works too: see page.html.
"use strict";

const PAUSE = 1000;

async function follow(region) {
  for (let finished = false; !finished; ) {
    await new Promise((resume) => setTimeout(resume, PAUSE));
    try {
      const answer = await fetch(region.dataset.live, { headers: { Accept: "application/json" } });
      if (answer.status === 404) return await renew(region); // ended, and deleted
      if (!answer.ok) continue;
      const now = await answer.json();
      if (now.stage === region.dataset.stage) showProgress(region, now);
      else await renew(region);
      finished = now.finished && now.stage === region.dataset.stage;
    } catch {
      // The site does not answer, it may be restarting: ask again.
    }
  }
}

function showProgress(region, now) {
  for (const bar of region.querySelectorAll("progress")) {
    if (now.total) bar.max = now.total;
    if (now.total) bar.value = now.done;
  }
  for (const field of region.querySelectorAll("[data-field]")) field.textContent = now[field.dataset.field] ?? "";
}

async function renew(region) {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
  if (!fresh) return;
  region.dataset.stage = fresh.dataset.stage;
  region.replaceChildren(...fresh.childNodes);
}

for (const region of document.querySelectorAll("[data-live]")) follow(region);
