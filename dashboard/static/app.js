// Pages work without this file: it replaces parts of the page instead of loading it anew, moves
// the focus through figures by arrow keys, lights up one trial in all figures, and copies links.
const SAME = ["main", "aside", ".top"];
let waiting = null;
let shown = location.pathname + location.search;

const status = () => document.getElementById("status");

function say(text) {
  const line = status();
  if (line) line.textContent = text;
}

function focusMark() {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const row = one.closest("[data-key]");
  if (row) return { key: row.dataset.key, cls: one.getAttribute("class") };
  if (one.name) return { name: one.name, value: one.value };
  return one.id ? { id: one.id } : { text: one.textContent.trim(), tag: one.tagName };
}

function restore(mark) {
  if (!mark) return;
  let found = null;
  if (mark.id) found = document.getElementById(mark.id);
  if (mark.key) {
    const row = [...document.querySelectorAll("[data-key]")].find((e) => e.dataset.key === mark.key);
    found = row && (row.querySelector(`a.${mark.cls}`) || row.querySelector("a.open, a"));
  }
  if (mark.name) {
    found = [...document.getElementsByName(mark.name)].find((e) => e.type !== "checkbox" || e.value === mark.value);
  }
  if (mark.text) {
    found = [...document.querySelectorAll(mark.tag.toLowerCase())].find((e) => e.textContent.trim() === mark.text);
  }
  if (!found) return;
  const svg = found.closest("svg.figure");
  if (svg) stop(svg, found);
  found.focus({ preventScroll: true });
}

async function go(url, push, mark) {
  if (waiting) waiting.abort();
  const mine = (waiting = new AbortController());
  document.body.classList.add("busy");
  try {
    const answer = await fetch(url, { signal: mine.signal });
    const text = await answer.text();
    const page = new DOMParser().parseFromString(text, "text/html");
    if (!page.querySelector("aside") || !document.querySelector("aside")) {
      location.assign(url);
      return;
    }
    const open = [...document.querySelectorAll("aside details[open] > summary")].map((s) => s.firstChild.textContent.trim());
    for (const part of SAME) document.querySelector(part).replaceWith(page.querySelector(part));
    document.title = page.title;
    for (const summary of document.querySelectorAll("aside details > summary")) {
      if (open.includes(summary.firstChild.textContent.trim())) summary.parentElement.open = true;
    }
    if (push) history.pushState({}, "", answer.url);
    shown = location.pathname + location.search;
    prepare();
    restore(mark);
    if (!mark) document.getElementById("main").focus({ preventScroll: true });
    const said = status() ? status().textContent : "";
    say("");
    requestAnimationFrame(() => say(said));
  } catch (error) {
    if (error.name !== "AbortError") say("The server cannot be reached: what is shown is no longer current.");
  } finally {
    if (waiting === mine) {
      waiting = null;
      document.body.classList.remove("busy");
    }
  }
}

function isView(link) {
  const url = new URL(link.href.baseVal || link.href, location.href);
  const inside = url.origin === location.origin && !link.hasAttribute("download");
  return inside && !/\/(api|figure|static|report|bundle|tables)(\/|\.|$)/.test(url.pathname) && !url.hash;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.classList.contains("copy") && navigator.clipboard) {
    event.preventDefault();
    const url = new URL(link.getAttribute("href"), location.href).href;
    navigator.clipboard.writeText(url).then(() => say(link.dataset.copied), () => location.assign(url));
    return;
  }
  if (!isView(link)) return;
  event.preventDefault();
  const mark = link.closest("nav") ? null : focusMark();
  go(new URL(link.getAttribute("href"), location.href).href, true, mark);
});

function address(form) {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") given.append(name, value);
  const url = new URL(form.getAttribute("action"), location.href);
  url.search = given.toString();
  return url.href;
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  go(address(event.target), true, focusMark());
});

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form && form.id === "selection") go(address(form), true, focusMark());
});

// A link to a part of the page (`#main`) is no other state.
window.addEventListener("popstate", () => {
  if (location.pathname + location.search !== shown) go(location.href, false, null);
});

// One tab stop per figure; arrows move, Space leaves the trial out or takes it back.
function links(svg) {
  const rows = [...svg.querySelectorAll("a.open")];
  return rows.length ? rows : [...svg.querySelectorAll("a")];
}

// Makes one link the stop of the tab key in its figure.
function stop(svg, one) {
  for (const link of svg.querySelectorAll("a")) link.setAttribute("tabindex", link === one ? "0" : "-1");
}

// On a narrow screen the selection starts folded, so that the results come first.
const narrow = matchMedia("(max-width: 1000px)");
let folded = narrow.matches;
narrow.addEventListener("change", () => {
  const box = document.getElementById("choose");
  if (box) box.open = !(narrow.matches && folded);
});

function prepare() {
  const box = document.getElementById("choose");
  if (box) {
    box.open = !(narrow.matches && folded);
    box.addEventListener("toggle", () => { if (narrow.matches) folded = !box.open; });
  }
  for (const svg of document.querySelectorAll("svg.figure")) {
    stop(svg, links(svg)[0]);
  }
}

document.addEventListener("keydown", (event) => {
  const link = event.target.closest && event.target.closest("svg.figure a");
  if (!link) return;
  const all = links(link.closest("svg"));
  const at = all.indexOf(link);
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : at + (step || 0);
  if (step || event.key === "Home" || event.key === "End") {
    event.preventDefault();
    const next = all[Math.max(0, Math.min(all.length - 1, to))];
    stop(link.closest("svg"), next);
    next.focus();
  } else if (event.key === " ") {
    const toggle = link.parentElement.querySelector("a.toggle");
    if (!toggle) return;
    event.preventDefault();
    go(new URL(toggle.getAttribute("href"), location.href).href, true, focusMark());
  }
});

function light(event, on) {
  const row = event.target.closest && event.target.closest("[data-key]");
  if (!row) return;
  for (const one of document.querySelectorAll("[data-key]")) {
    if (one.dataset.key === row.dataset.key) one.classList.toggle("lit", on);
  }
}
document.addEventListener("mouseover", (event) => light(event, true));
document.addEventListener("mouseout", (event) => light(event, false));
prepare();
