// What needs a decision: refused or failed deliveries that were neither replayed nor dismissed.

import { dismissDialog, replayDialog, summary } from "./actions.js";
import { json, query } from "./api.js";
import { fill, h, number, refill } from "./dom.js";
import { exporter } from "./export.js";
import * as filters from "./filters.js";
import { list, olderButton } from "./list.js";

const PAGE = 50;
const MOST_AT_ONCE = 500;

export async function attention(main, { search: asked, signal, report }) {
  const filter = filters.read(asked);
  const selection = h("div", { class: "selection", hidden: true });
  const result = h("p", { class: "remark", role: "status" });
  const table = list({ caption: "Needs attention, newest first", select: choose });
  const end = h("p", { class: "end" });
  const further = olderButton(more, report);
  const everything = h("button", { type: "button", class: "quiet", onclick: () => table.chooseAll(true) }, "Select all shown");
  let rows = [];
  let chosen = [];
  let cursor;

  async function more() {
    const page = await json(`deliveries${query({ ...filters.parameters(filter), open: true, limit: PAGE, cursor })}`, { signal });
    rows.push(...page.deliveries);
    cursor = page.cursor;
    show();
  }

  function show() {
    table.show(rows);
    table.element.hidden = everything.hidden = !rows.length;
    const none = filters.isEmpty(filter) ? "Nothing needs attention. Every delivery was read and sent on." : "Nothing matches these filters.";
    if (cursor) refill(end, further);
    else fill(end, rows.length ? "End of the list." : none);
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
      h("button", { type: "button", class: "quiet", onclick: () => table.chooseAll(false) }, "Clear"),
    );
  }

  const picked = () => rows.filter((row) => chosen.includes(row.id)).slice(0, MOST_AT_ONCE);

  async function replay() {
    try {
      const { schemas } = await json("schemas", { signal });
      replayDialog(picked(), schemas, (results) => settle("replayed", results));
    } catch (error) {
      report(error);
    }
  }

  function dismiss() {
    dismissDialog(picked(), (results) => settle("dismissed", results.map(({ row, error }) => ({ row, error }))));
  }

  function settle(verb, results) {
    const done = new Set(results.filter(({ error }) => !error).map(({ row }) => row.id));
    table.chooseAll(false);
    rows = rows.filter((row) => !done.has(row.id));
    show();
    result.textContent = summary(verb, results);
  }

  fill(
    main,
    h("h1", {}, "Needs attention"),
    h("p", { class: "lead" }, "These deliveries could not be read, or could not be sent on. Their bytes are kept. Replay each, replay it as another event, or dismiss it."),
    h("div", { class: "tools" }, filters.controls(filter, (members) => (location.hash = filters.address("attention", { ...filter, ...members })), { without: ["status"] }), exporter(() => ({ ...filters.parameters(filter), open: true }), report), everything),
    filters.chosen("attention", filter),
    selection,
    result,
    table.element,
    end,
  );
  await more();
}
