// One delivery: what it was, how it was processed, and what can be done about it.

import { belongsTo, copy, dismissDialog, isOpen, isReadable, messageForPrintiq, replayDialog } from "./actions.js";
import { ask, DELIVERY_ID, exact, json } from "./api.js";
import { nextAfter } from "./attention.js";
import { badge, bytes, duration, fill, h, moment, refill, save, subjectLink } from "./dom.js";
import { eventName } from "./list.js";
import { laidOut, marked, places, tools } from "./payload.js";
import { sendsOf, subscriptionLink } from "./subscriptions.js";

const WAIT_EVERY = 1_500;
const PUSH_EVERY = 5_000;
// Large ones are offered as a file; a browser would be slow with them.
const LARGEST_SHOWN = 2 * 1024 * 1024;

const STEPS = [
  ["begun", "processing started"],
  ["archived", "bytes archived"],
  ["decided", "checked for duplicates"],
  ["sent", "sent to its subscriptions"],
];

/** Show a delivery; while it waits, poll it and draw it again when it differs from the `known` state. */
export async function delivery(main, page, known) {
  const { parts: [id], signal, report } = page;
  let row;
  try {
    row = await json(`deliveries/${encodeURIComponent(id)}`, { signal });
  } catch (error) {
    if (error.status !== 404) throw error;
    const possible = DELIVERY_ID.test(id);
    fill(main, h("h1", {}, possible ? "Not found, so far" : "Not a delivery id"), h("p", { class: "lead" }, error.message));
    if (possible) again(main, page);
    return;
  }
  const text = JSON.stringify(row);
  if (row.status === "failing") again(main, page, { known: text });
  else if (row.sends.some(({ state }) => state === "waiting")) again(main, page, { known: text, after: PUSH_EVERY });
  if (text === known) return;
  const raw = h("div", { class: "pane" }, h("p", { class: "hint" }, "Loading …"));
  const data = h("div", { class: "pane" }, h("p", { class: "hint" }, "Loading …"));
  const copied = h("span", { class: "hint", role: "status" });
  let received = "";
  refill(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, eventName(row)), row.subject && h("p", { class: "about" }, h("span", { class: "kind" }, row.kind), " ", subjectLink(row.kind, row.subject))),
      badge(row.status),
      h("div", { class: "actions" }, actions(row, page)),
    ),
    remarks(row),
    h("div", { class: "columns" }, facts(row), steps(row)),
    row.sends.length > 0 && sendsOf(row),
    !row.erased &&
      h(
        "div",
        { class: "columns payloads" },
        h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Received"), h("span", { class: "pane-tools" }, copied, tools(raw, copied), saving(`deliveries/${id}/raw`, row, report))), raw),
        row.status !== "quarantined" &&
          h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "Normalised"), h("span", { class: "pane-tools" }, tools(data, copied), saving(`deliveries/${id}/data`, row, report))), data),
      ),
  );
  if (row.erased) return;
  if (row.queues.length || row.withheld.length) main.append(message(row, page));
  await shown(raw, row, signal, async () => {
    received = decoded(await (await ask(`deliveries/${id}/raw`, { signal })).arrayBuffer());
    return marked(received, places(received, row.errors));
  });
  if (row.status !== "quarantined") {
    await shown(data, row, signal, async () => laidOut(await exact(`deliveries/${id}/data`, { signal }), row.warnings, received));
  }
}

/** The message that its subscriptions get, loaded when it is unfolded. */
function message(row, { signal, report }) {
  const path = `deliveries/${row.id}/message`;
  const pane = h("div", { class: "pane" });
  const copied = h("span", { class: "hint", role: "status" });
  const load = async ({ target }) => {
    if (target.open && !pane.firstChild) await shown(pane, row, signal, async () => laidOut(await exact(path, { signal })));
  };
  return h(
    "details",
    { class: "card payload", ontoggle: load },
    h("summary", { class: "card-head" }, h("h2", {}, "Message"), h("span", { class: "note" }, "CloudEvents, as its subscriptions get it")),
    h("div", { class: "pane-tools" }, copied, tools(pane, copied), saving(path, row, report)),
    pane,
  );
}

/** Poll: an accepted delivery may still be waiting in the inbox. */
function again(main, page, { known, after = WAIT_EVERY } = {}) {
  const timer = setTimeout(() => delivery(main, page, known).catch(page.failed), after);
  page.signal.addEventListener("abort", () => clearTimeout(timer));
}

async function shown(pane, row, signal, load) {
  if (row.size > LARGEST_SHOWN) {
    fill(pane, h("p", { class: "hint" }, `${bytes(row.size)} is too much to show here. Download it.`));
    return;
  }
  try {
    fill(pane, await load());
  } catch (error) {
    if (!signal.aborted) fill(pane, h("p", { class: "hint" }, error.message));
  }
}

function decoded(buffer) {
  const head = new Uint8Array(buffer.slice(0, 4));
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] && head[1] === 0)) return new TextDecoder("utf-16le").decode(buffer);
  if ((head[0] === 0xfe && head[1] === 0xff) || (head[0] === 0 && head[1])) return new TextDecoder("utf-16be").decode(buffer);
  for (const encoding of ["utf-8", codePage(buffer)]) {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(buffer);
    } catch {
      // not this encoding
    }
  }
  return new TextDecoder().decode(buffer);
}

/** Find the code page that XML declares: the app reads by it whatever is not UTF-8. */
function codePage(buffer) {
  const start = new TextDecoder("latin1").decode(buffer.slice(0, 300));
  return /^\s*<\?xml[^>]*?encoding\s*=\s*["'](iso-8859-\d+|latin-?1|(?:windows-|cp)125\d)["']/i.exec(start)?.[1].replace(/latin-/i, "latin");
}

/** What went wrong, what is odd, and what was done about it. */
function remarks(row) {
  const findings = row.status === "quarantined" && row.errors.length ? row.errors : [];
  return [
    findings.length > 0 &&
      h("section", { class: "findings bad", "aria-label": "Problems" }, h("h2", {}, "Why it was refused"), finding(findings)),
    row.error && !findings.length && h("section", { class: "findings bad", "aria-label": "Problems" }, h("h2", {}, "What went wrong"), h("p", {}, row.error)),
    row.warnings.length > 0 && h("section", { class: "findings", "aria-label": "Warnings" }, h("h2", {}, "Warnings"), finding(row.warnings)),
    row.dismissed && h("p", { class: "remark" }, "Dismissed ", moment(row.dismissedAt), row.decidedBy && ` by ${row.decidedBy}`, `: ${row.dismissed}`),
    row.erased && h("p", { class: "remark" }, "Erased ", moment(row.erased), `: ${row.erasedBecause}`),
    row.replayedBy && h("p", { class: "remark" }, "Replayed ", !row.dismissed && row.decidedBy && `by ${row.decidedBy} `, "as ", other(row.replayedBy)),
    row.replayOf && h("p", { class: "remark" }, "A replay of ", other(row.replayOf)),
    row.duplicateOf && h("p", { class: "remark" }, "Has the same content as ", other(row.duplicateOf), ", received shortly before."),
  ];
}

function finding(findings) {
  return h(
    "ul",
    {},
    findings.map(({ pointer, message }) => h("li", {}, pointer && ["at ", h("code", {}, pointer), ": "], message)),
  );
}

function other(id) {
  return h("a", { href: `#/events/${id}` }, id);
}

function facts(row) {
  const fact = (name, value) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const sent = row.queues.map((name, index) => [name, row.sentTo[index]]);
  return h(
    "section",
    { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "Details")),
    h(
      "dl",
      { class: "facts" },
      fact("Received", moment(row.receivedAt, { whole: true })),
      fact("Channel", row.channel),
      fact("File", row.file && h("code", {}, row.file)),
      fact("Size", row.size !== undefined && [bytes(row.size), row.contentType && `, declared as ${row.contentType}`]),
      fact("About", row.subjects.length > 0 && h("ul", { class: "plain" }, row.subjects.map(({ kind, key }) => h("li", {}, h("span", { class: "kind" }, kind), " ", subjectLink(kind, key))))),
      fact("Customer", row.customer),
      fact("Reference", row.reference),
      fact("Sent to", receivers(sent.filter(([, title]) => !row.undelivered.includes(title))) ?? (sent.length || row.withheld.length || row.erased ? null : "nobody")),
      fact("Not delivered to", receivers(sent.filter(([, title]) => row.undelivered.includes(title)))),
      fact("Withheld from", receivers(row.withheld.map((name, index) => [name, row.withheldFrom[index]]))),
      fact("Id", h("code", { class: "id" }, row.id)),
      fact("Stored at", row.raw && h("code", { class: "id" }, row.raw)),
    ),
  );
}

/** List subscriptions, each a name and a title. */
function receivers(subscriptions) {
  if (!subscriptions.length) return null;
  return h("ul", { class: "plain" }, subscriptions.map(([name, title]) => h("li", {}, subscriptionLink(name, title), title !== name && [" ", h("code", {}, name)])));
}

/** List the steps with the time that each took. */
function steps(row) {
  const times = [["received", row.receivedAt], ...STEPS.map(([name, text]) => [text, row.steps?.[name]]), [row.status === "quarantined" ? "quarantined" : "recorded in the ledger", row.processedAt]];
  const known = times.filter(([, time]) => time);
  return h(
    "section",
    { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "Processing steps")),
    h(
      "ol",
      { class: "steps" },
      known.map(([text, time], index) =>
        h(
          "li",
          { class: index === known.length - 1 ? row.status : "" },
          h("span", { class: "step" }, text),
          moment(time),
          h("span", { class: "took" }, index ? `+ ${duration(Math.max(0, new Date(time) - new Date(known[index - 1][1])) / 1000)}` : ""),
        ),
      ),
    ),
    row.attempts > 1 && h("p", { class: "hint" }, `Tried ${row.attempts} times.`),
  );
}

function saving(path, row, report) {
  return h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: async () => {
        try {
          const response = await ask(path);
          const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
          save(await response.blob(), named?.[1] ?? row.id);
        } catch (error) {
          report(error);
        }
      },
    },
    "Download",
  );
}

/** Offer the next delivery that needs attention, on the page of one that does or did. */
function following(row, { signal, report }) {
  const place = h("span", {});
  const offer = async () => {
    const next = await nextAfter(row.replayOf ?? row.id, signal);
    if (next) fill(place, h("a", { class: `button next${isOpen(row) ? "" : " primary"}`, href: `#/events/${next.id}`, title: next.error }, `Next: ${eventName(next)}`));
    else if (!isOpen(row)) fill(place, h("span", { class: "hint" }, "Nothing else needs attention."));
  };
  if (isOpen(row) || row.dismissed || row.replayedBy || row.replayOf) offer().catch((error) => signal.aborted || report(error));
  return place;
}

function actions(row, page) {
  const { report } = page;
  const status = h("span", { class: "hint", role: "status" });
  const replay = async () => {
    try {
      const { schemas } = await json("schemas");
      replayDialog([row], schemas, ([{ id }]) => (location.hash = `#/events/${id}`));
    } catch (error) {
      report(error);
    }
  };
  const again = () => dispatchEvent(new HashChangeEvent("hashchange"));
  const broken = row.status === "quarantined" && !isReadable(row);
  const event = isOpen(row) && belongsTo(row);
  const buttons = [
    row.raw && [event ? `Replay as ${event} …` : "Replay …", replay],
    isOpen(row) && row.status === "quarantined" && ["Copy message for printIQ", () => copy(messageForPrintiq(row), status)],
    isOpen(row) && ["Dismiss …", () => dismissDialog([row], again)],
  ].filter(Boolean);
  // a replay does not help if the body is unreadable: the sender must send it again
  if (broken && buttons.length > 1) [buttons[0], buttons[1]] = [buttons[1], buttons[0]];
  return [
    status,
    buttons.map(([text, onclick], index) => h("button", { type: "button", class: isOpen(row) && !index ? "primary" : "", onclick }, text)),
    following(row, page),
  ];
}
