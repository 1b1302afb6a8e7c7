// The history of one quote, job, customer, …, and its latest state.

import { exact, json, query } from "./api.js";
import { badge, fill, h, moment, refill } from "./dom.js";
import { olderButton } from "./list.js";
import { laidOut } from "./payload.js";

export async function subject(main, { parts: [kind, key], signal, report }) {
  const path = `subjects/${encodeURIComponent(kind)}/${encodeURIComponent(key)}`;
  const found = await exact(path, { signal });
  const line = h("ol", { class: "timeline" });
  const end = h("p", { class: "end" });
  const further = olderButton(more, report);
  let { cursor } = found;

  function add(rows) {
    line.append(
      ...rows.map((row) =>
        h(
          "li",
          { class: row.status },
          moment(row.receivedAt),
          h("a", { href: `#/received/${row.id}`, "data-item": true }, row.event),
          badge(row.status),
          h("span", { class: "by" }, row.channel),
        ),
      ),
    );
    refill(end, cursor && further);
  }

  async function more() {
    const page = await json(`${path}${query({ cursor })}`, { signal });
    cursor = page.cursor;
    add(page.deliveries);
  }

  fill(
    main,
    h("div", { class: "title" }, h("div", {}, h("h1", {}, key), h("p", { class: "about" }, h("span", { class: "kind" }, kind)))),
    h(
      "div",
      { class: "columns" },
      h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "What printIQ told")), line, end),
      found.latest && latest(found.latest),
    ),
  );
  add(found.deliveries);
}

function latest(record) {
  return h(
    "section",
    { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "Latest state"), h("span", { class: "note" }, record.event, ", ", moment(record.receivedAt))),
    h(
      "div",
      { class: "pane" },
      record.data === undefined
        ? h("p", { class: "hint" }, "It is too large for the table: ", h("a", { href: `#/received/${record.delivery}` }, "see it where it was received"), ".")
        : laidOut(record.data),
    ),
  );
}
