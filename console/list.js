// A list of what was received, as a table that becomes cards on a phone.

import { badge, fill, h, moment, subjectLink } from "./dom.js";

const EVENTS = { _unknown: "unknown event" };

export function eventName(row) {
  return row.event === "_unknown" && row.eventAsNamed ? row.eventAsNamed : (EVENTS[row.event] ?? row.event);
}

/** Let a name break before its capitals where it must. */
function breakable(name) {
  return name.split(/(?<=[a-z])(?=[A-Z])/).map((part, index) => [index > 0 && h("wbr"), part]);
}

/** Offer what is older, and do not load it twice at once. A button that is disabled would lose the focus. */
export function olderButton(more, report) {
  const load = async ({ currentTarget: button }) => {
    if (button.hasAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    try {
      await more();
    } catch (error) {
      report(error);
    }
    button.removeAttribute("aria-disabled");
  };
  return h("button", { type: "button", onclick: load }, "Show older");
}

/** Make a list; `show(rows)` shows rows, keeps what is there and points out what is new. */
export function list({ caption }) {
  const body = h("tbody");
  const shown = new Map();
  let filled = false;
  const element = h(
    "table",
    { class: "list" },
    h("caption", { class: "unseen" }, caption),
    h(
      "thead",
      {},
      h("tr", {}, ["Received", "Event", "About", "Status", "Channel"].map((name) => h("th", { scope: "col" }, name))),
    ),
    body,
  );

  function show(rows) {
    const kept = new Set(rows.map((row) => row.id));
    for (const [id, { line }] of shown) {
      if (!kept.has(id)) {
        line.remove();
        shown.delete(id);
      }
    }
    rows.forEach((row, index) => {
      const state = JSON.stringify(row);
      const known = shown.get(row.id);
      if (!known) {
        const line = h("tr", { class: filled ? "new" : "" }, cells(row));
        shown.set(row.id, { line, state });
      } else if (known.state !== state) {
        const focused = known.line.contains(document.activeElement);
        fill(known.line, cells(row));
        known.state = state;
        if (focused) known.line.querySelector("[data-item]").focus();
      }
      const { line } = shown.get(row.id);
      if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null);
    });
    filled = true;
  }

  return { element, show };
}

function cells(row) {
  return [
    h("td", { class: "when" }, moment(row.receivedAt)),
    h(
      "td",
      { class: "what" },
      h("a", { href: `#/received/${row.id}`, "data-item": true }, breakable(eventName(row))),
      row.replayOf && h("span", { class: "note" }, "replay"),
    ),
    h(
      "td",
      { class: "about" },
      row.subject ? [h("span", { class: "kind" }, row.kind), " ", subjectLink(row.kind, row.subject)] : h("span", { class: "none" }, "–"),
    ),
    h(
      "td",
      { class: "status" },
      badge(row.status),
      row.replayedBy && h("span", { class: "note" }, "replayed"),
      row.dismissed && h("span", { class: "note" }, "dismissed"),
      row.error && h("span", { class: "why" }, row.error),
    ),
    h("td", { class: "by" }, row.channel),
  ];
}
