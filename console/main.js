// The frame: which page, which key, and what the keyboard does.

import { ask, environment, explain, isLocal, json, key, mayPass, Problem } from "./api.js";
import { attention } from "./attention.js";
import { changes } from "./changes.js";
import { connect } from "./connect.js";
import { delivery } from "./delivery.js";
import { fill, h } from "./dom.js";
import { events } from "./events.js";
import { subject } from "./subject.js";
import { subscription, subscriptions, trouble as troubleOf } from "./subscriptions.js";

const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
const keyDialog = document.getElementById("key-dialog");
const helpDialog = document.getElementById("help-dialog");

const PAGES = [
  [/^\/?$/, "events", events, () => "Events"],
  [/^\/attention$/, "attention", attention, () => "Needs attention"],
  [/^\/events\/([^/]+)$/, "events", delivery, (id) => `Delivery ${id}`],
  [/^\/subjects\/([^/]+)\/([^/]+)$/, "events", subject, (kind, subjectKey) => `${subjectKey} (${kind})`],
  [/^\/subscriptions$/, "subscriptions", subscriptions, () => "Subscriptions"],
  [/^\/subscriptions\/([^/]+)$/, "subscriptions", subscription, (name) => name],
  [/^\/changes$/, "changes", changes, () => "Schema changes"],
  [/^\/connect$/, "connect", connect, () => "Connect"],
];
const TITLE = document.title;

let leaving = new AbortController();
let heading = "";
let badge = "";

const RETRY_MS = 5_000;

/** What each place in the history had: how far it was scrolled, how many rows were loaded. */
const places = new Map();
let place = 0;
history.scrollRestoration = "manual";

function arrive() {
  const known = history.state?.place;
  place = known ?? Date.now();
  if (known === undefined) history.replaceState({ place }, "");
  return places.get(place) ?? {};
}

/** Show the page that the address names; the work of the previous page ends. */
async function show({ again = false } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const before = arrive();
  const [path, search] = location.hash.slice(1).split("?");
  const found = PAGES.map(([pattern, ...rest]) => [pattern.exec(path), ...rest]).find(([match]) => match);
  const [match, name, page, title] = found ?? [[""], "", nowhere, () => "Not found"];
  const parts = match.slice(1).map(decodeURIComponent);
  heading = title(...parts);
  named();
  for (const link of document.querySelectorAll("[data-page]")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!again) {
    trouble.hidden = true;
    skeleton(main);
  }
  /** Report why the page cannot be shown; where that may pass, show it again shortly. */
  const failed = (error) => {
    if (signal.aborted) return;
    const passing = mayPass(error);
    report(error, { again: passing });
    if (!passing || signal.aborted) return;
    const timer = setTimeout(show, RETRY_MS, { again: true });
    signal.addEventListener("abort", () => clearTimeout(timer));
  };
  const slow = setTimeout(() => notice("Storage is slow to respond. This page is still loading …"), RETRY_MS);
  signal.addEventListener("abort", () => clearTimeout(slow));
  const remember = (members) => places.set(place, { ...places.get(place), ...members });
  try {
    await page(main, { parts, search: new URLSearchParams(search), signal, report, failed, before, remember });
    clearTimeout(slow);
    if (signal.aborted) return;
    trouble.hidden = true;
    if (before.scroll) scrollTo(0, before.scroll);
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
  } catch (error) {
    clearTimeout(slow);
    failed(error);
  }
}

/** Show that a page is loading: nothing of the previous page stays under the new address. */
function skeleton(element) {
  fill(element, h("div", { class: "skeleton", role: "status" }, h("span", { class: "unseen" }, "Loading …"), ["", "", "", ""].map(() => h("div", { "aria-hidden": "true" }))));
}

async function nowhere(element) {
  fill(
    element,
    h("h1", {}, "No such page"),
    h("p", { class: "lead" }, "There is nothing at ", h("code", {}, location.hash), ". Go to ", h("a", { href: "#/" }, "Events"), "."),
  );
}

function notice(text) {
  trouble.textContent = text;
  trouble.hidden = false;
}

/** Report an error to the reader, and whether the page retries; ask for a key that is missing or wrong. */
function report(error, { again = false } = {}) {
  if (error.name === "AbortError") return;
  if (error instanceof Problem && error.status === 401) {
    askForKey();
    return;
  }
  const next = again ? " This page retries by itself." : mayPass(error) ? " Try again." : "";
  // the API's own advice is for programs
  notice(explain(error).replace(/ Try again later\.$/, "") + next);
}

function askForKey() {
  if (keyDialog.open) return;
  leaving.abort();
  // what is left when the dialog is closed without a key
  fill(
    main,
    h("h1", {}, "This page needs a key"),
    h("p", { class: "lead" }, "Only ", h("a", { href: "#/connect" }, "Connect"), " works without one."),
    h("p", {}, h("button", { type: "button", class: "primary", onclick: () => keyDialog.showModal() }, "Enter a key")),
  );
  document.getElementById("key-trouble").textContent = key.get() ? "That key is no longer valid." : "";
  key.forget();
  signedIn();
  keyDialog.showModal();
}

/** Name the page, and the environment that it is of: tabs of several look alike. */
function named() {
  document.title = [heading, badge, TITLE].filter(Boolean).join(" – ");
}

/** Show which printIQ this is of, and whether it is UAT or production. */
async function identify() {
  try {
    const { site, tier: known } = await environment();
    const tier = known ?? (isLocal() ? "local" : "");
    badge = [tier.toUpperCase(), site].filter(Boolean).join(" · ");
    const element = document.getElementById("environment");
    element.textContent = badge;
    element.classList.add(tier || "unnamed");
    element.hidden = false;
    named();
  } catch {
    // the page itself reports a fault
  }
}

function signedIn() {
  document.getElementById("sign-out").hidden = !key.get();
}

document.getElementById("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = document.getElementById("key");
  const problem = document.getElementById("key-trouble");
  try {
    await ask("deliveries?limit=1", { withKey: given.value });
  } catch (error) {
    problem.textContent =
      error instanceof Problem && error.status === 401
        ? "This key cannot read events. Ask for a host key, not the webhook's."
        : explain(error);
    given.select();
    return;
  }
  key.set(given.value);
  given.value = "";
  problem.textContent = "";
  keyDialog.close();
  signedIn();
  identify();
  counts();
  show();
});

document.getElementById("sign-out").addEventListener("click", () => {
  key.signOut();
  location.reload();
});
// its address would be taken for a page
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("help").addEventListener("click", () => helpDialog.showModal());

/** Keep a number in the navigation bar current. */
async function count(id, work) {
  if (keyDialog.open || document.hidden) return;
  try {
    const found = await work();
    const element = document.getElementById(id);
    element.textContent = found;
    element.hidden = !found;
  } catch {
    // the page itself reports a fault
  }
}

/** Count what needs attention. */
function countOpen() {
  return count("open-count", async () => {
    const { deliveries, cursor } = await json("deliveries?open=true&limit=99&fields=id");
    return cursor ? "99+" : deliveries.length;
  });
}

/** Count the subscriptions that are paused or in trouble: nobody else would remember a pause. */
function countTroubled() {
  return count("troubled-count", async () => {
    const { subscriptions: all } = await json("subscriptions");
    return all.filter(troubleOf).length;
  });
}

function counts() {
  countOpen();
  countTroubled();
}
setInterval(countOpen, 15_000);
setInterval(countTroubled, 60_000);
document.addEventListener("printiq:changed", counts);

const GOES = { e: "#/", a: "#/attention", b: "#/subscriptions", s: "#/changes", c: "#/connect" };
let going = false;

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest('input:not([type="checkbox"]), textarea, select, dialog[open]');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (going && GOES[event.key]) location.hash = GOES[event.key];
  else if (event.key === "/") document.querySelector("input[type=search]")?.focus();
  else if (event.key === "?") helpDialog.showModal();
  else if (event.key === "u") history.back();
  else if (event.key === "n") document.querySelector("a.next")?.click();
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

addEventListener("scroll", () => places.set(place, { ...places.get(place), scroll: scrollY }), { passive: true });
addEventListener("hashchange", () => {
  const left = place;
  const scrolled = places.get(left);
  keyDialog.close();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
  if (scrolled) places.set(left, scrolled);
  show();
});
await key.borrow();
signedIn();
show();
identify();
counts();
