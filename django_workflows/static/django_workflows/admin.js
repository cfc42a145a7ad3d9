// Keeps the page of a running workflow up to date, and what its reader opened open. Everything works without it.
"use strict";
(() => {
  const region = document.getElementById("dwf-live");
  const control = document.querySelector(".dwf-live-control");
  if (!region || !control || "finished" in region.dataset) return;
  const choice = control.querySelector("select");
  const said = document.getElementById("dwf-said");
  const KEY = "django-workflows-live";
  let etag = `"${region.dataset.etag}"`, timer = 0, asking = false;

  const remembered = () => { try { return localStorage.getItem(KEY) || "5"; } catch { return "5"; } };
  const remember = (value) => { try { localStorage.setItem(KEY, value); } catch { /* a private window */ } };
  const words = () => region.querySelector("[data-words]")?.dataset.words;
  const busy = () => region.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")
    || !document.getSelection().isCollapsed && region.contains(document.getSelection().anchorNode);

  function replace(html) {
    const state = new Map([...region.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
    const inner = [...region.querySelectorAll("details.dwf-traceback")].map((each) => each.open);
    const focused = region.contains(document.activeElement) ? path(document.activeElement) : null;
    const before = badge();
    region.innerHTML = html;
    for (const each of region.querySelectorAll("details[id]")) if (state.has(each.id)) each.open = state.get(each.id);
    region.querySelectorAll("details.dwf-traceback").forEach((each, index) => { each.open = inner[index] ?? false; });
    if (focused) region.querySelectorAll(focused.selector)[focused.index]?.focus({preventScroll: true});
    if (badge() !== before) said.textContent = words();
  }

  const badge = () => region.querySelector(".dwf-standing .dwf-badge")?.textContent;

  function path(element) {
    const selector = element.tagName.toLowerCase();
    return {selector, index: [...region.querySelectorAll(selector)].indexOf(element)};
  }

  async function look() {
    if (asking || busy()) return;
    asking = true;
    try {
      const answer = await fetch(region.dataset.url, {headers: {"If-None-Match": etag}, cache: "no-store", redirect: "error"});
      if (answer.status === 200) {
        replace(await answer.text());
        etag = answer.headers.get("ETag");
        if (region.querySelector(".dwf-page[data-finished]")) finish();
      } else if (answer.status !== 304) finish();
    } catch { /* the next look may reach the site again */ } finally { asking = false; }
  }

  function schedule() {
    clearInterval(timer);
    const seconds = Number(choice.value);
    if (seconds && !document.hidden) timer = setInterval(look, seconds * 1000);
  }

  function finish() {
    choice.value = "0";
    document.removeEventListener("visibilitychange", shown);
    clearInterval(timer);
    control.hidden = true;
  }

  function shown() {
    schedule();
    if (!document.hidden && Number(choice.value)) look();
  }

  choice.value = remembered();
  choice.addEventListener("change", () => { remember(choice.value); schedule(); });
  document.addEventListener("visibilitychange", shown);
  control.hidden = false;
  schedule();
})();
