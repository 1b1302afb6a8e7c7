// A list of deliveries: a table, which becomes cards on a phone.

import { badge, fill, h, moment, subjectLink } from "./dom.js";

const COLUMNS = { when: "Received", what: "Event", about: "About", who: "Customer, reference", status: "Status", to: "Sent to" };
const EVENTS = { _unknown: "unknown event" };

export function eventName(row) {
  return row.event === "_unknown" && row.eventAsNamed ? row.eventAsNamed : (EVENTS[row.event] ?? row.event);
}

/** Allow line breaks before the capitals of a name. */
export function breakable(name) {
  return name.split(/(?<=[a-z])(?=[A-Z])/).map((part, index) => [index > 0 && h("wbr"), part]);
}

/** A button's handler that works once at a time. (A disabled button would lose the focus.) */
export function once(work, report) {
  return async ({ currentTarget: button }) => {
    if (button.hasAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    try {
      await work();
    } catch (error) {
      report(error);
    }
    button.removeAttribute("aria-disabled");
  };
}

/** A button that loads older rows. */
export function olderButton(more, report) {
  return h("button", { type: "button", onclick: once(more, report) }, "Show older");
}

/** Make a list; `show(rows)` updates it in place and highlights new rows. With `select`, rows have checkboxes. */
export function list({ caption, select, columns = Object.keys(COLUMNS) }) {
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
      h("tr", {}, select && h("th", { scope: "col", class: "choose" }, h("span", { class: "unseen" }, "Select")), columns.map((column) => h("th", { scope: "col", class: column }, COLUMNS[column]))),
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
        const line = h("tr", { class: filled ? "new" : "", onclick: (event) => openRow(event, row) }, chooser(row), cells(row, columns));
        shown.set(row.id, { line, state });
      } else if (known.state !== state) {
        const focused = known.line.contains(document.activeElement);
        fill(known.line, chooser(row), cells(row, columns));
        known.state = state;
        if (focused) known.line.querySelector("[data-item]").focus();
      }
      const { line } = shown.get(row.id);
      if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null);
    });
    filled = true;
  }

  const chosen = new Set();

  function chooser(row) {
    if (!select) return null;
    const choose = ({ target }) => {
      if (target.checked) chosen.add(row.id);
      else chosen.delete(row.id);
      select([...chosen].filter((id) => shown.has(id)));
    };
    return h("td", { class: "choose" }, h("input", { type: "checkbox", checked: chosen.has(row.id), "aria-label": `Select ${eventName(row)} ${row.subject ?? ""}`, onchange: choose }));
  }

  function chooseAll(all) {
    for (const box of body.querySelectorAll(".choose input")) box.checked = all;
    chosen.clear();
    if (all) for (const id of shown.keys()) chosen.add(id);
    select([...chosen]);
  }

  return { element, show, chooseAll };
}

/** Open a row's delivery when the row is clicked anywhere: links, boxes and selected text keep their own meaning. */
function openRow(event, row) {
  if (event.target.closest("a, input, button, label") || String(getSelection())) return;
  const target = `#/events/${row.id}`;
  if (event.ctrlKey || event.metaKey) open(target);
  else location.hash = target;
}

function cells(row, columns) {
  const to = columns.includes("to") && row.sentTo.length + row.withheldFrom.length > 0;
  const who = columns.includes("who");
  return [
    h("td", { class: "when" }, moment(row.receivedAt)),
    h(
      "td",
      { class: "what" },
      h("a", { href: `#/events/${row.id}`, "data-item": true }, breakable(eventName(row))),
      row.replayOf && h("span", { class: "note" }, "replay"),
    ),
    h(
      "td",
      { class: "about" },
      row.subject ? [h("span", { class: "kind" }, row.kind), " ", subjectLink(row.kind, row.subject)] : h("span", { class: "none" }, "–"),
      !who && row.customer && h("span", { class: "note" }, row.customer),
    ),
    who && h("td", { class: "who" }, row.customer && h("span", {}, row.customer), row.reference && h("span", { class: "note" }, row.reference)),
    h(
      "td",
      // what went nowhere has more to say about why
      { class: "status", colspan: columns.includes("to") && !to ? 2 : null },
      badge(row.status),
      row.replayedBy && h("span", { class: "note" }, "replayed"),
      row.dismissed && h("span", { class: "note" }, "dismissed"),
      row.error && h("span", { class: "why" }, row.error),
    ),
    to && h("td", { class: "to" }, sentTo(row)),
  ];
}

/** List who got a delivery, who did not take it, and from whom a pause withheld it, by the subscriptions' titles. */
export function sentTo({ sentTo: to, undelivered, withheldFrom }) {
  const lacking = (words, titles) => titles.length > 0 && h("span", { class: "lacking" }, words, titles.join(", "));
  const got = to.filter((title) => !undelivered.includes(title)).join(", ");
  const parts = [got, lacking("not delivered to ", undelivered), lacking("withheld from ", withheldFrom)].filter(Boolean);
  return parts.length ? parts.map((part, index) => [index > 0 && "; ", part]) : h("span", { class: "none" }, "nobody");
}
