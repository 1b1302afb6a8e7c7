// What an operator can do about deliveries: replay them, dismiss them, and see the outcomes.

import { ask, explain, json, mayPass } from "./api.js";
import { h, number } from "./dom.js";

const OUTCOME_SECONDS = 15;
// One at a time would be slow for hundreds; a browser leaves room for six requests at once.
const AT_ONCE = 4;
const NAME = "printiq-operator";

/** Whether a delivery awaits a decision. */
export function isOpen(row) {
  return ["quarantined", "failed"].includes(row.status) && !row.replayedBy && !row.dismissed;
}

const WRONG_OBJECT = /^This is an? (\w+) \(it has /;

/** Whether a refused body could be read: it came under the name of another event, or of none. */
export function isReadable(row) {
  return row.event === "_unknown" || WRONG_OBJECT.test(row.error ?? "");
}

/** Return the event that a body came under another name of, where it can only be one. */
export function belongsTo(row) {
  return /It belongs to (\w+)\.$/.exec(row.error ?? "")?.[1];
}

/** Return the events that carry the object which a refused body was recognised as, if it was. */
function suggested(row, schemas) {
  const messages = [row.error, ...(row.errors ?? []).map(({ message }) => message)];
  const object = messages.map((text) => WRONG_OBJECT.exec(text ?? "")?.[1]).find(Boolean);
  return object ? schemas.filter((each) => each.object.split(" or ").includes(object)).map(({ event }) => event) : [];
}

/** Return the text to send to the printIQ team about a body that cannot be read. */
export function messageForPrintiq(row) {
  const findings = row.errors?.length ? row.errors : [{ pointer: "", message: row.error }];
  return [
    `Hello printIQ team,`,
    "",
    `the event ${row.event === "_unknown" ? row.eventAsNamed : row.event} that reached us at ${row.receivedAt} could not be read:`,
    "",
    ...findings.map(({ pointer, message }) => `  ${pointer ? `at ${pointer}: ` : ""}${message}`),
    "",
    `Our reference is ${row.id}. Please correct it and send it again.`,
  ].join("\n");
}

export async function copy(text, status) {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = "Copied.";
  } catch {
    status.textContent = "The browser does not allow copying. Select the text and copy it.";
  }
}

/** Ask how to replay deliveries, do it, and report each outcome; `done(replays)` is called at the end. */
export function replayDialog(rows, schemas, done) {
  const [first] = rows;
  const names = schemas.map(({ event }) => event);
  const likely = rows.length === 1 ? suggested(first, schemas) : [];
  const own = rows.every((row) => row.event === first.event) && names.includes(first.event) ? first.event : null;
  const offered = [...likely, ...names.filter((name) => !likely.includes(name))];
  const several = new Set(rows.map((row) => row.event)).size > 1;
  const chosen = likely[0] ?? own ?? "";
  const event = h(
    "select",
    { id: "replay-as" },
    several ? h("option", { value: "*", selected: true }, "The event of each, as received") : !own && !likely.length && h("option", { value: "" }, "Choose the event"),
    offered.map((name) =>
      h("option", { value: name, selected: !several && name === chosen }, name === own ? `${name} (as received)` : likely.includes(name) ? `${name} (what the body is)` : name),
    ),
  );
  const queues = rows.length === 1 ? [...(first.queues ?? []), ...(first.withheld ?? [])] : [];
  const titles = [...first.sentTo, ...first.withheldFrom];
  // where some have not got it, the others would get it twice
  const lacking = [...first.undelivered, ...first.withheldFrom];
  const box = (queue, title) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "queue", value: queue, checked: !lacking.length || lacking.includes(title) }), " ", title);
  const boxes = queues.map((queue, index) => box(queue, titles[index]));
  dialog({
    title: rows.length === 1 ? "Replay" : `Replay ${number(rows.length)} deliveries`,
    text: `${rows.length === 1 ? "It" : "Each"} is processed again from its kept bytes, as a new delivery that refers to the old one.`,
    fields: [h("label", { for: "replay-as" }, "As event"), event, queues.length > 1 && [h("p", {}, "To the subscriptions"), boxes]],
    button: "Replay",
    async act(form, run) {
      const to = [...form.querySelectorAll("[name=queue]:checked")].map((box) => box.value);
      if (!event.value) throw new Error("Choose the event.");
      if (queues.length > 1 && !to.length) throw new Error("Choose at least one subscription.");
      const some = to.length < queues.length ? { queues: to } : {};
      const replays = await each(rows, run, async (row) => {
        const as = event.value === "*" || event.value === row.event ? {} : { as: event.value };
        const replay = await json(`deliveries/${row.id}/replay`, { method: "POST", body: { ...as, ...some, by: operator() } });
        return { ...replay, status: await outcome(replay.id) };
      });
      done(replays);
    },
  });
}

/** Ask why deliveries need no further action, and dismiss them. */
export function dismissDialog(rows, done) {
  const reason = h("textarea", { id: "reason", rows: "3", required: true, maxlength: "1000" });
  dialog({
    title: rows.length === 1 ? "Dismiss" : `Dismiss ${number(rows.length)} deliveries`,
    text: rows.length === 1 ? "It needs no further action. It stays in the ledger, with your reason." : "They need no further action. They stay in the ledger, with your reason.",
    fields: [h("label", { for: "reason" }, "Reason"), reason],
    button: "Dismiss",
    async act(_, run) {
      if (!reason.value.trim()) throw new Error("Give a reason, for the next person who looks.");
      const dismissed = await each(rows, run, async (row) => {
        await ask(`deliveries/${row.id}/dismiss`, { method: "POST", body: { reason: reason.value, by: operator() } });
      });
      done(dismissed);
    },
  });
}

/** Do the same for each row until the reader stops it or the app does not respond; a row that fails stops no other. */
async function each(rows, run, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < rows.length && !run.stopped) {
      const row = rows[next++];
      try {
        results.push({ row, ...(await work(row)) });
      } catch (error) {
        if (rows.length === 1) throw error;
        results.push({ row, error: explain(error) });
        run.stopped ||= mayPass(error);
      }
      run.report(results.length, rows.length);
    }
  };
  run.report(0, rows.length);
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rows.length) }, worker));
  return results;
}

/** Wait for the outcome of a replay; "waiting" if there is none yet. */
async function outcome(id) {
  try {
    return (await json(`deliveries/${id}?wait=${OUTCOME_SECONDS}`)).status;
  } catch (error) {
    if (error.status !== 404) throw error;
    return "waiting";
  }
}

/** Sum up what a batch did, in a sentence. */
export function summary(verb, results, wanted) {
  const failures = results.filter(({ error }) => error);
  const counts = new Map();
  for (const { status, error } of results) if (!error && status) counts.set(status, (counts.get(status) ?? 0) + 1);
  const outcomes = [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
  const done = results.length - failures.length;
  return [
    `${number(done)} ${verb}${outcomes ? `: ${outcomes}` : ""}.`,
    failures.length ? ` ${number(failures.length)} could not be: ${failures[0].error}` : "",
    results.length < wanted ? ` Stopped: ${number(wanted - results.length)} left.` : "",
  ].join("");
}

/** The name that the ledger records for what is done here; asked for once. */
export function operator() {
  return localStorage.getItem(NAME) ?? "";
}

/** Ask before something is done; the dialog stays open until it is done. */
export function dialog({ title, text, fields, button, act }) {
  const problem = h("p", { class: "field-trouble", role: "alert" });
  const meter = h("progress", { hidden: true, "aria-label": "Progress" });
  const confirm = h("button", { type: "submit", class: "primary" }, button);
  const name = h("input", { id: "operator", maxlength: "100", autocomplete: "name", value: operator() });
  const count = h("p", { class: "hint", role: "status" });
  // while it runs, what cancels the dialog stops the rest
  const stop = () => {
    if (run.running) run.stopped = true;
    else box.close();
  };
  const cancel = h("button", { type: "button", onclick: stop }, "Cancel");
  const run = {
    running: false,
    stopped: false,
    report(done, total) {
      if (total === 1) return;
      meter.hidden = false;
      meter.max = total;
      meter.value = done;
      count.textContent = run.stopped ? "Stopping …" : `${number(done)} of ${number(total)}`;
    },
  };
  const begun = (running) => {
    Object.assign(run, { running, stopped: false });
    confirm.disabled = running;
    cancel.textContent = running ? "Stop" : "Cancel";
    meter.hidden = true;
    count.textContent = "";
  };
  const form = h(
    "form",
    {
      novalidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        begun(true);
        problem.textContent = "";
        try {
          if (!name.value.trim()) throw new Error("Enter your name: the ledger records who did this.");
          localStorage.setItem(NAME, name.value.trim());
          await act(form, run);
          box.close();
          document.dispatchEvent(new Event("printiq:changed"));
        } catch (error) {
          problem.textContent = explain(error);
        }
        begun(false);
      },
    },
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, text),
    fields,
    h("label", { for: "operator" }, "Your name"),
    name,
    meter,
    count,
    problem,
    h("p", { class: "buttons" }, cancel, confirm),
  );
  const box = h("dialog", { "aria-labelledby": "dialog-title", oncancel: (event) => (event.preventDefault(), stop()), onclose: () => ((run.stopped = true), box.remove()) }, form);
  document.body.append(box);
  box.showModal();
  (form.querySelector("textarea") ?? (operator() ? confirm : name)).focus();
}
