// One quote, job, customer, …: its state, and the history of its deliveries.

import { exact, json, query } from "./api.js";
import { badge, fill, h, moment, refill, subjectLink } from "./dom.js";
import { exporter } from "./export.js";
import { breakable, eventName, olderButton, sentTo } from "./list.js";
import { laidOut } from "./payload.js";

// Events whose names give a subject's state, where its latest record does not.
const MILESTONES = {
  CreateJob: "accepted",
  CreateJobXml: "accepted",
  CompleteJob: "complete",
  CompleteOrder: "complete",
  AcceptQuote: "accepted",
  RejectQuote: "rejected",
  ExpireQuote: "expired",
  DiscardQuote: "discarded",
};

// What the API's search takes.
const SHORTEST_SEARCH = 2;
const LONGEST_SEARCH = 200;

// Events that say that a subject of a kind is finished.
const FINISHED = { job: ["CompleteJob"], order: ["CompleteOrder"] };

export async function subject(main, { parts: [kind, key], signal, report }) {
  const path = `subjects/${encodeURIComponent(kind)}/${encodeURIComponent(key)}`;
  let found;
  try {
    found = await exact(path, { signal });
  } catch (error) {
    if (error.status !== 404) throw error;
    fill(
      main,
      h("h1", {}, key),
      h("p", { class: "lead" }, `No events found for ${kind} ${key}. `, h("a", { href: `#/${query({ subject: key })}` }, "Search for it"), ", or see what ", h("a", { href: "#/attention" }, "needs attention"), "."),
    );
    return;
  }
  const newest = (events) => newestOf(events, kind, key, found, signal);
  const [milestone, finished, refused] = await Promise.all([found.latest?.status ? null : newest(milestones(kind)), newest(FINISHED[kind] ?? []), refusedAbout(key, signal)]);
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
          h("span", {}, h("a", { href: `#/events/${row.id}`, "data-item": true }, breakable(row.event)), row.subject && row.subject !== key && [" ", h("span", { class: "note" }, row.kind, " ", subjectLink(row.kind, row.subject))]),
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

  const state = found.latest?.status ?? MILESTONES[milestone?.event];
  fill(
    main,
    h("div", { class: "title" }, h("div", {}, h("h1", {}, key), h("p", { class: "about" }, h("span", { class: "kind" }, kind))), state && h("span", { class: "badge state" }, state), h("div", { class: "actions" }, exporter(() => (kind === "customer" ? { about: `${kind}/${key}` } : { kind, subject: key }), report))),
    head(found, finished),
    refused.length > 0 && notInHistory(refused),
    h("section", { class: "card history" }, h("div", { class: "card-head" }, h("h2", {}, "History")), line, end),
    found.latest && latest(found.latest),
  );
  add(found.deliveries);
}

/** Return the events whose names give the state of a subject of this kind. */
function milestones(kind) {
  const own = { job: /Job|Order/, order: /Order/, quote: /Quote/ }[kind];
  return own ? Object.keys(MILESTONES).filter((name) => own.test(name)) : [];
}

/** Find the newest delivery about the subject that is one of these events, in its whole history. */
async function newestOf(events, kind, key, { deliveries, cursor }, signal) {
  const shown = deliveries.find(({ event }) => events.includes(event));
  if (shown || !cursor || !events.length) return shown;
  const older = await json(`deliveries${query({ kind, subject: key, event: events.join(","), limit: 1 })}`, { signal });
  return older.deliveries[0];
}

/** Find the refused deliveries that await a decision and have the key among the numbers of their bodies. */
async function refusedAbout(key, signal) {
  if (key.length < SHORTEST_SEARCH || key.length > LONGEST_SEARCH) return [];
  const { deliveries } = await json(`search${query({ q: key })}`, { signal });
  return deliveries.filter(({ status, matched }) => status === "quarantined" && matched.value === key);
}

function notInHistory(refused) {
  return h(
    "section",
    { class: "findings bad", "aria-label": "Refused" },
    h("h2", {}, "Refused, so not in its history"),
    h("ul", {}, refused.map((row) => h("li", {}, h("a", { href: `#/events/${row.id}` }, eventName(row)), ", ", moment(row.receivedAt), ": ", row.error))),
  );
}

function money(total, currency) {
  const amount = Number(total).toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  return [amount, currency].filter(Boolean).join(" ");
}

function day(date) {
  return new Date(`${date}T00:00`).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** The head line: the subject's latest state, and who got its newest events, all of them or not. */
function head({ kind, latest: record, deliveries }, finished) {
  const replayed = new Set(deliveries.map(({ replayOf }) => replayOf));
  const lacking = new Set(deliveries.flatMap((row) => [...row.undelivered, ...(replayed.has(row.id) ? [] : row.withheldFrom)]));
  const got = new Set(deliveries.flatMap((row) => row.sentTo).filter((title) => !lacking.has(title)));
  const fact = (name, value) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "card head" },
    fact("Customer", record?.customerName ? [record.customerName, record.customer && ` (${record.customer})`] : (record?.customer ?? deliveries.find((row) => row.customer)?.customer)),
    // the events of an order with one job are about the job, with the order's reference
    fact("Reference", record?.reference ?? (kind === "order" && deliveries.find((row) => row.reference)?.reference)),
    fact("Total", record?.total && money(record.total, record.currency)),
    fact("Date", record?.date && day(record.date)),
    fact("Due", record?.due && day(record.due)),
    fact("Finished", finished && [h("a", { href: `#/events/${finished.id}` }, finished.event), ", ", moment(finished.receivedAt)]),
    fact("Last change", record && [record.event, ", ", moment(record.receivedAt)]),
    fact("Sent to", got.size > 0 ? [...got].join(", ") : deliveries.length > 0 && !lacking.size && h("span", { class: "none" }, "nobody")),
    fact("Not all delivered to", lacking.size > 0 && h("span", { class: "lacking" }, [...lacking].join(", "))),
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
        ? h("p", { class: "hint" }, "It is too large to show here. See ", h("a", { href: `#/events/${record.delivery}` }, "its delivery"), ".")
        : laidOut(record.data),
    ),
  );
}
