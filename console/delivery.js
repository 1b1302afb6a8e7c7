// One thing that was received: what it was, what became of it, and what can be done about it.

import { ask, DELIVERY_ID, exact, json } from "./api.js";
import { badge, bytes, duration, fill, h, moment, refill, save, subjectLink } from "./dom.js";
import { eventName } from "./list.js";
import { laidOut, marked, places } from "./payload.js";

const WAIT_EVERY = 1_500;
// Large ones are offered as a file; a browser would be slow with them.
const LARGEST_SHOWN = 2 * 1024 * 1024;

const STEPS = [
  ["begun", "work began"],
  ["archived", "its bytes were archived"],
  ["decided", "compared with what came before"],
  ["sent", "sent to the queues"],
];

/** Show it; where it waits, look again shortly and draw it anew if it differs from what was `known`. */
export async function delivery(main, page, known) {
  const { parts: [id], signal, report } = page;
  let row;
  try {
    row = await json(`deliveries/${encodeURIComponent(id)}`, { signal });
  } catch (error) {
    if (error.status !== 404) throw error;
    const possible = DELIVERY_ID.test(id);
    fill(main, h("h1", {}, possible ? "Not there yet" : "Not an id"), h("p", { class: "lead" }, error.message));
    if (possible) again(main, page);
    return;
  }
  const text = JSON.stringify(row);
  if (row.status === "failing") again(main, page, text);
  if (text === known) return;
  const raw = h("div", { class: "pane" }, h("p", { class: "hint" }, "Loading …"));
  const data = h("div", { class: "pane" }, h("p", { class: "hint" }, "Loading …"));
  refill(
    main,
    h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, eventName(row)), row.subject && h("p", { class: "about" }, h("span", { class: "kind" }, row.kind), " ", subjectLink(row.kind, row.subject))),
      badge(row.status),
      h("div", { class: "actions" }, actions(row, report)),
    ),
    told(row),
    h("div", { class: "columns" }, facts(row), steps(row)),
    h(
      "div",
      { class: "columns payloads" },
      h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "As it came"), saving(`deliveries/${id}/raw`, row, report)), raw),
      row.status !== "quarantined" &&
        h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, "As it was understood"), saving(`deliveries/${id}/data`, row, report)), data),
    ),
  );
  await Promise.all([
    shown(raw, row, signal, async () => {
      const text = decoded(await (await ask(`deliveries/${id}/raw`, { signal })).arrayBuffer());
      return marked(text, places(text, row.errors));
    }),
    row.status !== "quarantined" &&
      shown(data, row, signal, async () => laidOut(await exact(`deliveries/${id}/data`, { signal }), row.warnings)),
  ]);
}

/** Look again shortly: what is accepted may still be waiting in the inbox. */
function again(main, page, known) {
  const timer = setTimeout(() => delivery(main, page, known).catch(page.failed), WAIT_EVERY);
  page.signal.addEventListener("abort", () => clearTimeout(timer));
}

async function shown(pane, row, signal, load) {
  if (row.size > LARGEST_SHOWN) {
    fill(pane, h("p", { class: "hint" }, `It has ${bytes(row.size)}: download it to see it.`));
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
      // it is not written in this one
    }
  }
  return new TextDecoder().decode(buffer);
}

/** Find the code page that XML declares: the app, too, reads by it what is no UTF-8. */
function codePage(buffer) {
  const start = new TextDecoder("latin1").decode(buffer.slice(0, 300));
  return /^\s*<\?xml[^>]*?encoding\s*=\s*["'](iso-8859-\d+|latin-?1|(?:windows-|cp)125\d)["']/i.exec(start)?.[1].replace(/latin-/i, "latin");
}

/** Say in words what went wrong, or odd. */
function told(row) {
  const findings = row.status === "quarantined" && row.errors.length ? row.errors : [];
  return [
    findings.length > 0 &&
      h("section", { class: "findings bad", "aria-label": "Problems" }, h("h2", {}, "Why it was set aside"), finding(findings)),
    row.error && !findings.length && h("section", { class: "findings bad", "aria-label": "Problems" }, h("h2", {}, "What went wrong"), h("p", {}, row.error)),
    row.warnings.length > 0 && h("section", { class: "findings", "aria-label": "Warnings" }, h("h2", {}, "Worth knowing"), finding(row.warnings)),
    row.dismissed && h("p", { class: "said" }, "Dismissed ", moment(row.dismissedAt), `: ${row.dismissed}`),
    row.replayedBy && h("p", { class: "said" }, "Replayed as ", other(row.replayedBy)),
    row.replayOf && h("p", { class: "said" }, "A replay of ", other(row.replayOf)),
    row.duplicateOf && h("p", { class: "said" }, "Has the same content as ", other(row.duplicateOf), ", received shortly before."),
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
  return h("a", { href: `#/received/${id}` }, id);
}

function facts(row) {
  const fact = (name, value) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "section",
    { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "What it was")),
    h(
      "dl",
      { class: "facts" },
      fact("Received", moment(row.receivedAt, { whole: true })),
      fact("Channel", row.channel),
      fact("Size", row.size !== undefined && [bytes(row.size), row.contentType && `, declared as ${row.contentType}`]),
      fact("About", row.subjects.length > 0 && h("ul", { class: "plain" }, row.subjects.map(({ kind, key }) => h("li", {}, h("span", { class: "kind" }, kind), " ", subjectLink(kind, key))))),
      fact("Sent to", row.queues.length > 0 ? h("ul", { class: "plain" }, row.queues.map((queue) => h("li", {}, h("code", {}, queue)))) : "no queue"),
      fact("Id", h("code", { class: "id" }, row.id)),
      fact("Kept at", row.raw && h("code", { class: "id" }, row.raw)),
    ),
  );
}

/** List the steps with the time that each took. */
function steps(row) {
  const times = [["received", row.receivedAt], ...STEPS.map(([name, text]) => [text, row.steps?.[name]]), [row.status === "quarantined" ? "set aside" : "entered in the ledger", row.processedAt]];
  const known = times.filter(([, time]) => time);
  return h(
    "section",
    { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, "What became of it")),
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

function actions(row, report) {
  const waits = ["quarantined", "failed"].includes(row.status) && !row.replayedBy && !row.dismissed;
  return [
    row.raw && h("button", { type: "button", class: waits ? "primary" : "", onclick: () => replay(row, report) }, "Replay …"),
    waits && h("button", { type: "button", onclick: () => dismiss(row, report) }, "Dismiss …"),
  ];
}

async function replay(row, report) {
  const events = h("select", { id: "replay-as" });
  let schemas;
  try {
    ({ schemas } = await json("schemas"));
  } catch (error) {
    report(error);
    return;
  }
  const names = schemas.map(({ event }) => event);
  events.append(
    ...(names.includes(row.event) ? [] : [h("option", { value: "" }, "Choose the event it is")]),
    ...names.map((name) => h("option", { value: name, selected: name === row.event }, name === row.event ? `${name} (as it came)` : name)),
  );
  const queues = row.queues.map((queue) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "queue", value: queue, checked: true }), " ", queue));
  dialog({
    title: "Replay",
    text: "It goes through again from the bytes that were kept, as a new entry that names this one.",
    fields: [h("label", { for: "replay-as" }, "As event"), events, queues.length > 1 && [h("p", {}, "To the queues"), queues]],
    button: "Replay",
    async act(form) {
      const chosen = [...form.querySelectorAll("[name=queue]:checked")].map((box) => box.value);
      const some = chosen.length < queues.length;
      if (!events.value) throw new Error("Choose the event it is.");
      if (queues.length > 1 && !chosen.length) throw new Error("Choose at least one queue.");
      const done = await json(`deliveries/${row.id}/replay`, {
        method: "POST",
        body: { ...(events.value === row.event ? {} : { as: events.value }), ...(some ? { queues: chosen } : {}) },
      });
      location.hash = `#/received/${done.id}`;
    },
  });
}

function dismiss(row) {
  const reason = h("textarea", { id: "reason", rows: "3", required: true, maxlength: "1000" });
  dialog({
    title: "Dismiss",
    text: "Nothing more is to be done about it. It stays in the ledger, with your reason.",
    fields: [h("label", { for: "reason" }, "Why"), reason],
    button: "Dismiss",
    async act() {
      if (!reason.value.trim()) throw new Error("Give a reason: whoever looks later must know.");
      await json(`deliveries/${row.id}/dismiss`, { method: "POST", body: { reason: reason.value } });
      dispatchEvent(new HashChangeEvent("hashchange"));
    },
  });
}

/** Ask before something is done; the dialog stays open until it is. */
function dialog({ title, text, fields, button, act }) {
  const said = h("p", { class: "field-trouble", role: "alert" });
  const confirm = h("button", { type: "submit", class: "primary" }, button);
  const form = h(
    "form",
    {
      novalidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        confirm.disabled = true;
        try {
          await act(form);
          box.close();
          document.dispatchEvent(new Event("printiq:changed"));
        } catch (error) {
          said.textContent = error instanceof TypeError ? "The app does not answer. Try again." : error.message;
        }
        confirm.disabled = false;
      },
    },
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, text),
    fields,
    said,
    h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => box.close() }, "Cancel"), confirm),
  );
  const box = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => box.remove() }, form);
  document.body.append(box);
  box.showModal();
}
