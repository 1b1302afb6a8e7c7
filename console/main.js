// The frame: which page, which key, and what the keyboard does.

import { ask, json, key, Problem } from "./api.js";
import { connect } from "./connect.js";
import { delivery } from "./delivery.js";
import { fill, h } from "./dom.js";
import { fields } from "./fields.js";
import { open } from "./open.js";
import { received } from "./received.js";
import { subject } from "./subject.js";

const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
const keyDialog = document.getElementById("key-dialog");
const helpDialog = document.getElementById("help-dialog");

const PAGES = [
  [/^\/?$/, "received", received],
  [/^\/open$/, "open", open],
  [/^\/received\/([^/]+)$/, "received", delivery],
  [/^\/about\/([^/]+)\/([^/]+)$/, "received", subject],
  [/^\/fields$/, "fields", fields],
  [/^\/connect$/, "connect", connect],
];

let leaving = new AbortController();

const AGAIN_AFTER = 5_000;

/** Show the page that the address names; what the page before was doing ends. */
async function show({ again = false } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, search] = location.hash.slice(1).split("?");
  const found = PAGES.map(([pattern, name, page]) => [pattern.exec(path), name, page]).find(([match]) => match);
  const [match, name, page] = found ?? [[""], "", nowhere];
  for (const link of document.querySelectorAll("[data-page]")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!again) trouble.hidden = true;
  /** Tell why the page cannot be shown; where that may pass, show it again shortly. */
  const failed = (error) => {
    if (signal.aborted) return;
    const passing = error instanceof TypeError || error.status >= 500;
    report(error, { again: passing });
    if (!passing || signal.aborted) return;
    const timer = setTimeout(show, AGAIN_AFTER, { again: true });
    signal.addEventListener("abort", () => clearTimeout(timer));
  };
  try {
    await page(main, { parts: match.slice(1).map(decodeURIComponent), search: new URLSearchParams(search), signal, report, failed });
    if (signal.aborted) return;
    if (again) trouble.hidden = true;
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
  } catch (error) {
    failed(error);
  }
}

async function nowhere(main) {
  fill(
    main,
    h("h1", {}, "No such page"),
    h("p", { class: "lead" }, "Nothing is at ", h("code", {}, location.hash), ". Go to ", h("a", { href: "#/" }, "what was received"), "."),
  );
}

/** Tell the reader of an error, and whether the page asks again; a missing or wrong key is asked for. */
function report(error, { again = false } = {}) {
  if (error.name === "AbortError") return;
  if (error instanceof Problem && error.status === 401) {
    askForKey();
    return;
  }
  const text = error instanceof TypeError ? "The app does not answer." : error.message;
  const next = again ? " This page tries again by itself." : error instanceof TypeError ? " Try again." : "";
  trouble.textContent = text + next;
  trouble.hidden = false;
}

function askForKey() {
  if (keyDialog.open) return;
  leaving.abort();
  // what the dialog leaves behind when it is closed without a key
  fill(
    main,
    h("h1", {}, "This page needs a key"),
    h("p", { class: "lead" }, "Only ", h("a", { href: "#/connect" }, "Connect"), " works without one."),
    h("p", {}, h("button", { type: "button", class: "primary", onclick: () => keyDialog.showModal() }, "Enter a key")),
  );
  document.getElementById("key-trouble").textContent = key.get() ? "That key no longer opens this app." : "";
  key.forget();
  signedIn();
  keyDialog.showModal();
}

function signedIn() {
  document.getElementById("forget").hidden = !key.get();
}

document.getElementById("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = document.getElementById("key");
  const said = document.getElementById("key-trouble");
  try {
    await ask("deliveries?limit=1", { withKey: given.value });
  } catch (error) {
    said.textContent =
      error instanceof Problem && error.status === 401
        ? "This key does not open the API. The webhook's own key does not: ask for a host key."
        : error instanceof TypeError ? "The app does not answer. Try again." : error.message;
    given.select();
    return;
  }
  key.set(given.value);
  given.value = "";
  said.textContent = "";
  keyDialog.close();
  signedIn();
  countOpen();
  show();
});

document.getElementById("forget").addEventListener("click", () => {
  key.forget();
  location.reload();
});
// its address would be taken for a page
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("help").addEventListener("click", () => helpDialog.showModal());

/** Keep the number of open ones in the bar right. */
async function countOpen() {
  if (keyDialog.open || document.hidden) return;
  try {
    const { deliveries, cursor } = await json("deliveries?open=true&limit=99");
    const count = document.getElementById("open-count");
    count.textContent = cursor ? "99+" : String(deliveries.length);
    count.hidden = deliveries.length === 0;
  } catch {
    // the page itself tells of a fault
  }
}
setInterval(countOpen, 15_000);
document.addEventListener("printiq:changed", countOpen);

const GOES = { r: "#/", o: "#/open", f: "#/fields", c: "#/connect" };
let going = false;

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest('input:not([type="checkbox"]), textarea, select, dialog[open]');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (going && GOES[event.key]) location.hash = GOES[event.key];
  else if (event.key === "/") document.querySelector("input[type=search]")?.focus();
  else if (event.key === "?") helpDialog.showModal();
  else if (event.key === "u") history.back();
  else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  else {
    going = event.key === "g";
    return;
  }
  going = false;
  event.preventDefault();
});

/** Move the focus along the list of the page. */
function step(by) {
  const items = [...document.querySelectorAll("[data-item]")];
  const here = items.indexOf(document.activeElement);
  items[Math.min(Math.max(here + by, 0), items.length - 1)]?.focus();
}

addEventListener("hashchange", () => {
  keyDialog.close();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
  show();
});
signedIn();
show();
countOpen();
