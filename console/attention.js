// What needs a decision: refused or failed deliveries that were neither replayed nor dismissed.

import { dismissDialog, replayDialog, summary } from "./actions.js";
import { json, query } from "./api.js";
import { fill, h, number, refill } from "./dom.js";
import { exporter } from "./export.js";
import * as filters from "./filters.js";
import { list, olderButton, once } from "./list.js";
import { repeat } from "./repeat.js";

const EVERY = 10_000;
const PAGE = 50;
const LARGEST_PAGE = 500;
const MOST_AT_ONCE = 5_000;
const EXPORTED_AT_ONCE = 100;

// What the reader looked for here last: the next one comes from there.
let looked = {};

/** Return the next delivery that needs attention: the next older one, else the newest. */
export async function nextAfter(id, signal) {
  const shown = { ...filters.parameters(looked), open: true, limit: PAGE };
  const received = new Date(Number.parseInt(id.replace("-", "").slice(0, 12), 16) + 1).toISOString();
  const to = shown.to && shown.to < received ? shown.to : received;
  for (const each of [{ ...shown, to }, shown]) {
    const { deliveries } = await json(`deliveries${query(each)}`, { signal });
    const next = deliveries.find((row) => (each === shown ? row.id !== id : row.id < id));
    if (next) return next;
  }
  return null;
}

export async function attention(main, { search: asked, signal, report, before, remember }) {
  const filter = filters.read(asked);
  looked = filter;
  const selection = h("div", { class: "selection", hidden: true });
  const result = h("p", { class: "remark", role: "status" });
  const table = list({ caption: "Needs attention, newest first", select: choose, columns: ["when", "what", "about", "status"] });
  const end = h("p", { class: "end" });
  const further = olderButton(() => more(), report);
  const everything = h("button", { type: "button", class: "quiet", hidden: true, onclick: once(selectAll, report) }, "Select all");
  const exportChosen = exporter(parts, report, "Export these");
  let rows = [];
  let chosen = [];
  let cursor;
  let loading = false;

  const page = (members) => json(`deliveries${query({ ...filters.parameters(filter), open: true, ...members })}`, { signal });

  async function load(limit) {
    loading = true;
    try {
      const { deliveries, cursor: next } = await page({ limit, cursor });
      rows = [...rows, ...deliveries];
      cursor = next;
    } finally {
      loading = false;
    }
  }

  /** Take in what arrived, and what others decided, unless the reader is at work on the list. */
  async function refresh() {
    const known = rows;
    const found = await page({ limit: Math.max(known.length, PAGE) });
    if (rows !== known || !isAtRest()) return;
    rows = found.deliveries;
    cursor = found.cursor;
    show();
  }

  function isAtRest() {
    return !loading && !chosen.length && rows.length <= LARGEST_PAGE;
  }

  async function more(limit = PAGE) {
    await load(limit);
    show();
  }

  function show() {
    table.show(rows);
    remember({ rows: rows.length });
    table.element.hidden = everything.hidden = !rows.length;
    const none = filters.isEmpty(filter) ? "Nothing needs attention." : "Nothing matches these filters.";
    if (cursor) refill(end, further);
    else fill(end, rows.length ? "End of the list." : none);
  }

  /** Select all that match, those that are not shown yet too. Thousands are drawn once: that takes a second. */
  async function selectAll() {
    try {
      while (cursor && rows.length < MOST_AT_ONCE) {
        await load(Math.min(LARGEST_PAGE, MOST_AT_ONCE - rows.length));
        result.textContent = `Found ${number(rows.length)} so far …`;
      }
    } finally {
      show();
    }
    result.textContent = cursor ? `There are more: these are the newest ${number(rows.length)}.` : "";
    table.chooseAll(true);
  }

  function choose(ids) {
    chosen = ids;
    selection.hidden = !ids.length;
    if (!ids.length) return;
    refill(
      selection,
      h("b", {}, `${number(ids.length)} selected`),
      h("button", { type: "button", class: "primary", onclick: replay }, "Replay …"),
      h("button", { type: "button", onclick: dismiss }, "Dismiss …"),
      exportChosen,
      h("button", { type: "button", class: "quiet", onclick: () => table.chooseAll(false) }, "Clear"),
    );
  }

  function parts() {
    const count = Math.ceil(chosen.length / EXPORTED_AT_ONCE);
    return Array.from({ length: count }, (_, index) => ({ ids: chosen.slice(index * EXPORTED_AT_ONCE, (index + 1) * EXPORTED_AT_ONCE).join(",") }));
  }

  function picked() {
    const ids = new Set(chosen);
    return rows.filter((row) => ids.has(row.id));
  }

  async function replay() {
    try {
      const { schemas } = await json("schemas", { signal });
      const wanted = picked();
      replayDialog(wanted, schemas, (results) => settle("replayed", results, wanted.length));
    } catch (error) {
      report(error);
    }
  }

  function dismiss() {
    const wanted = picked();
    dismissDialog(wanted, (results) => settle("dismissed", results, wanted.length));
  }

  /** Take what was done out of the list; the next ones follow by themselves. */
  async function settle(verb, results, wanted) {
    const done = new Set(results.filter(({ error }) => !error).map(({ row }) => row.id));
    table.chooseAll(false);
    rows = rows.filter((row) => !done.has(row.id));
    show();
    result.textContent = summary(verb, results, wanted);
    try {
      if (cursor && rows.length < PAGE) await more();
    } catch (error) {
      report(error);
    }
  }

  fill(
    main,
    h("h1", {}, "Needs attention"),
    h("p", { class: "lead" }, "These deliveries could not be read, or could not be sent on. Their bytes are kept. Replay each, replay it as another event, or dismiss it. What a subscription did not take is under ", h("a", { href: "#/subscriptions" }, "Subscriptions"), "."),
    h(
      "div",
      { class: "tools" },
      filters.folded(filters.controls(filter, (members) => (location.hash = filters.address("attention", { ...filter, ...members })), { without: ["status"] })),
      exporter(() => ({ ...filters.parameters(filter), open: true }), report),
      everything,
    ),
    filters.chosen("attention", filter),
    selection,
    result,
    table.element,
    end,
  );
  await more(Math.min(Math.max(before.rows ?? PAGE, PAGE), LARGEST_PAGE));
  await repeat(refresh, EVERY, { signal, report, wanted: isAtRest, begun: true });
}
