// Follows a workflow through the REST API: by its event stream where the page names one and the server has one, and
// else by long polls.
"use strict";

const PAUSE = 2000;

function show(region, workflow, how) {
  const waiting = workflow.waiting_for.map((wait) => wait.name || wait.kind).join(", ");
  const values = { state: workflow.state.replace("_", " "), waiting: waiting || "nothing", how };
  for (const field of region.querySelectorAll("[data-show]")) field.textContent = values[field.dataset.show];
}

// The server keeps the request until the workflow is no longer as the tag says: no request is made in vain.
async function poll(region) {
  for (let tag = null; ; ) {
    try {
      const options = tag ? { headers: { "If-None-Match": tag } } : {};
      const answer = await fetch(region.dataset.workflow + (tag ? "?wait=20" : ""), options);
      if (answer.status === 304) continue;
      if (answer.status === 404) return; // ended, and deleted
      if (!answer.ok) throw new Error(answer.statusText);
      const workflow = await answer.json();
      tag = answer.headers.get("ETag");
      show(region, workflow, "by long poll");
      if (workflow.state !== "in_progress") return;
    } catch {
      await new Promise((resume) => setTimeout(resume, PAUSE)); // the site may be restarting
    }
  }
}

// The browser comes again by itself when the connection breaks, and says what it heard last.
function listen(region) {
  const source = new EventSource(region.dataset.stream);
  source.addEventListener("workflow", (event) => show(region, JSON.parse(event.data), "by event stream"));
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) poll(region); // no stream here: the server is WSGI, or full
  });
}

for (const region of document.querySelectorAll("[data-workflow]")) region.dataset.stream ? listen(region) : poll(region);
