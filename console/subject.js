// One quote, job, customer, …: its state, and the history of its deliveries.

import { exact, json, query } from "./api.js";
import { badge, fill, h, moment, refill, subjectLink } from "./dom.js";
import { olderButton, sentTo } from "./list.js";
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
          h("span", {}, h("a", { href: `#/events/${row.id}`, "data-item": true }, row.event), row.subject && row.subject !== key && [" ", h("span", { class: "note" }, row.kind, " ", subjectLink(row.kind, row.subject))]),
          badge(row.status),
          h("span", { class: "by" }, sentTo(row)),
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
    h("div", { class: "title" }, h("div", {}, h("h1", {}, key), h("p", { class: "about" }, h("span", { class: "kind" }, kind))), found.latest?.status && h("span", { class: "badge state" }, found.latest.status)),
    head(found),
    h(
      "div",
      { class: "columns" },
      h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "History")), line, end),
      found.latest && latest(found.latest),
    ),
  );
  add(found.deliveries);
}

/** The head line: the subject's latest state, and who got the last event. */
function head({ latest: record, deliveries: [newest] }) {
  const fact = (name, value) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "card head" },
    fact("Status", record?.status),
    fact("Customer", record?.customerName ? [record.customerName, record.customer && ` (${record.customer})`] : record?.customer),
    fact("Reference", record?.reference),
    fact("Total", record?.total && `${record.total} ${record.currency ?? ""}`),
    fact("Date", record?.date),
    fact("Due", record?.due),
    fact("Last change", record && [record.event, ", ", moment(record.receivedAt)]),
    fact("Sent to", newest && sentTo(newest)),
  );
}

function latest(record) {
  return h(
    "details",
    { class: "card payload" },
    h("summary", { class: "card-head" }, h("h2", {}, "Payload"), h("span", { class: "note" }, record.event, ", ", moment(record.receivedAt))),
    h(
      "div",
      { class: "pane" },
      record.data === undefined
        ? h("p", { class: "hint" }, "It is too large for the table. See ", h("a", { href: `#/events/${record.delivery}` }, "its delivery"), ".")
        : laidOut(record.data),
    ),
  );
}
