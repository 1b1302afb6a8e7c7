// The filters of a list of deliveries. They live in the address, so a filtered list can be saved and shared.

import { json, query } from "./api.js";
import { h, ZONE } from "./dom.js";

export const STATUSES = ["sent", "duplicate", "failing", "quarantined", "failed"];
export const FAILURES = ["failing", "quarantined", "failed"];
const CHANNELS = ["webhook", "hot-folder", "ftp", "inbox"];
const NAMES = ["subject", "kind", "event", "status", "channel", "when", "from", "to"];
const SEVERAL = ["event", "status", "channel"];
const LABELS = { subject: "about", event: "event", status: "status", channel: "channel", kind: "kind" };

const HOUR_MS = 3_600_000;
const PRESETS = {
  "": { name: "Any time" },
  hour: { name: "Last hour", range: (now) => ({ from: new Date(now - HOUR_MS) }) },
  today: { name: "Today", range: (now) => ({ from: midnight(now, 0) }) },
  yesterday: { name: "Yesterday", range: (now) => ({ from: midnight(now, -1), to: midnight(now, 0) }) },
  week: { name: "Last 7 days", range: (now) => ({ from: midnight(now, -6) }) },
  custom: { name: "From … to …" },
};

// The menu that is open stays so while the page is drawn again for a choice in it, and the choice keeps the focus.
let opened = "";
let touched = "";

const PHONE = matchMedia("(max-width: 700px)");
// On a phone the filters are folded until the reader unfolds them.
let unfolded = false;

document.addEventListener("click", ({ target }) => closeMenus((menu) => !menu.contains(target)));
document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Escape") return;
  target.closest(".menu[open]")?.querySelector("summary").focus();
  closeMenus(() => true);
});

function closeMenus(which) {
  for (const menu of document.querySelectorAll(".menu[open]")) {
    if (!which(menu)) continue;
    menu.open = false;
    opened = "";
  }
}

let known;

/** Return the names of the events that printIQ has. */
export async function eventNames() {
  known ??= json("schemas").then(({ schemas }) => schemas.map(({ event }) => event).sort());
  try {
    return await known;
  } catch {
    known = undefined;
    return []; // only what the reader chose already is offered
  }
}

function midnight(now, days) {
  const date = new Date(now);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days);
}

/** Read the filter from a page's query. */
export function read(search) {
  const filter = Object.fromEntries(NAMES.map((name) => [name, search.get(name) ?? ""]));
  if (!filter.when && (filter.from || filter.to)) filter.when = "custom";
  return filter;
}

export function isEmpty(filter) {
  return !Object.values(filter).some(Boolean);
}

/** Return the filter as the API's parameters: a preset becomes the times that it means now. */
export function parameters(filter) {
  const { when, ...rest } = filter;
  const range = PRESETS[when]?.range?.(Date.now());
  const times = range ? { from: range.from?.toISOString(), to: range.to?.toISOString() } : {};
  return { ...rest, ...times };
}

/** Return the address of a page with this filter. */
export function address(page, filter) {
  const { when, from, to, ...rest } = filter;
  return `#/${page}${query(when && when !== "custom" ? { ...rest, when } : { ...rest, from, to })}`;
}

/** Build the controls; `change(members)` is called with what the reader chose. */
export function controls(filter, change, { without = [] } = {}) {
  const options = {
    event: several("event", "Any event", [], filter, change),
    status: several("status", "Any status", STATUSES, filter, change),
    channel: several("channel", "Any channel", CHANNELS, filter, change),
  };
  offerEvents(options.event, filter);
  return h(
    "div",
    { class: "filters" },
    when(filter, change),
    Object.entries(options).filter(([name]) => !without.includes(name)).map(([, element]) => element),
  );
}

/** Fold the controls on a phone, behind a button. */
export function folded(element) {
  return h("details", { class: "more", open: !PHONE.matches || unfolded, ontoggle: ({ target }) => (unfolded = target.open) }, h("summary", {}, "Filters"), element);
}

function when(filter, change) {
  /** From a preset its times are kept, to be changed; without one they begin with today. */
  const choose = ({ target: { value } }) => {
    const { from, to } = value === "custom" ? parameters(filter) : {};
    change({ when: value, from: value === "custom" ? from || midnight(Date.now(), 0).toISOString() : "", to: to ?? "" });
  };
  const select = h(
    "select",
    { onchange: choose, "aria-label": "Received" },
    Object.entries(PRESETS).map(([value, { name }]) => h("option", { value, selected: value === filter.when }, name)),
  );
  if (filter.when !== "custom") return select;
  const input = (name) => h("input", { type: "datetime-local", value: local(filter[name]), "aria-label": `Received ${name}, ${ZONE}` });
  const [from, to] = [input("from"), input("to")];
  // an input changes with each part of a time that is typed: what counts is the time that is left behind
  const apply = () => {
    const times = { from: from.value && new Date(from.value).toISOString(), to: to.value && new Date(to.value).toISOString() };
    if (local(times.from) !== local(filter.from) || local(times.to) !== local(filter.to)) change({ when: "custom", ...times });
  };
  const range = h(
    "span",
    {
      class: "range",
      onfocusout: ({ relatedTarget }) => !range.contains(relatedTarget) && apply(),
      onkeydown: ({ key, target }) => key === "Enter" && target !== select && apply(),
    },
    select,
    [["from", from], ["to", to]].map(([label, element]) => h("span", { class: "time" }, h("span", {}, label), element)),
    h("button", { type: "button", onclick: apply }, "Apply"),
    h("span", { class: "hint" }, ZONE),
  );
  return range;
}

/** Write a moment as an input of the reader's own time takes it, to the minute. */
function local(iso) {
  if (!iso) return "";
  const date = new Date(iso);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function several(name, none, values, filter, change) {
  const chosen = filter[name] ? filter[name].split(",") : [];
  const text = chosen.length > 2 ? `${chosen.length} chosen` : chosen.join(", ") || none;
  const list = h("fieldset", {}, h("legend", { class: "unseen" }, none.replace("Any ", "")), values.map((value) => box(value, chosen)));
  const choose = ({ target }) => {
    const boxes = [...list.querySelectorAll("input:checked")].map((each) => each.value);
    touched = target.value;
    change({ [name]: boxes.join(",") });
  };
  list.addEventListener("change", choose);
  const toggle = ({ target }) => {
    if (target.open) opened = name;
    else if (opened === name && target.isConnected) opened = "";
  };
  if (opened === name) queueMicrotask(() => focusTouched(list));
  return h("details", { class: "menu", "data-filter": name, name: "filter", open: opened === name, ontoggle: toggle }, h("summary", {}, text), list);
}

function focusTouched(list) {
  [...list.querySelectorAll("input")].find(({ value }) => value === touched)?.focus();
}

function box(value, chosen) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", value, checked: chosen.includes(value) }), " ", value);
}

async function offerEvents(menu, filter) {
  const chosen = filter.event ? filter.event.split(",") : [];
  const list = menu.querySelector("fieldset");
  list.append(...chosen.map((value) => box(value, chosen)));
  const names = [...(await eventNames()), "_unknown"].filter((name) => !chosen.includes(name));
  list.append(...names.map((name) => box(name, chosen)));
  if (opened === "event" && list.isConnected && !list.contains(document.activeElement)) focusTouched(list);
}

/** List the filters in force, each with a link that removes it. */
export function chosen(page, filter) {
  const items = Object.entries(filter).filter(([name, value]) => value && LABELS[name]);
  const without = (name, value) => {
    const rest = SEVERAL.includes(name) ? filter[name].split(",").filter((each) => each !== value).join(",") : "";
    return address(page, { ...filter, [name]: rest });
  };
  const each = items.flatMap(([name, value]) => (SEVERAL.includes(name) ? value.split(",") : [value]).map((one) => [name, one]));
  if (!each.length && !filter.when) return null;
  return h(
    "ul",
    { class: "chosen", "aria-label": "Filters" },
    each.map(([name, value]) =>
      h("li", {}, h("a", { href: without(name, value), title: "Remove this filter" }, `${LABELS[name]}: ${value} `, h("span", { "aria-hidden": "true" }, "×"))),
    ),
    filter.when && h("li", {}, h("a", { href: address(page, { ...filter, when: "", from: "", to: "" }), title: "Remove this filter" }, `${spoken(filter)} `, h("span", { "aria-hidden": "true" }, "×"))),
    h("li", {}, h("a", { class: "clear", href: `#/${page}` }, "Clear filters")),
  );
}

function spoken(filter) {
  if (filter.when !== "custom") return PRESETS[filter.when]?.name ?? filter.when;
  const text = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const parts = [filter.from && `from ${text(filter.from)}`, filter.to && `to ${text(filter.to)}`].filter(Boolean);
  return `${parts.join(" ") || "any time"} (${ZONE})`;
}
