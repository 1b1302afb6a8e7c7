// Who gets the events: the subscriptions, how each fares, and what an operator can do with one.

import { dialog, operator } from "./actions.js";
import { json, query } from "./api.js";
import { badge, duration, fill, h, moment, number, refill, subjectLink, subscriptionPlace } from "./dom.js";
import { breakable, olderButton, once } from "./list.js";
import { repeat } from "./repeat.js";

const EVERY = 5_000;
const PAGE = 50;
const LARGEST_PAGE = 500;
const REPLAYED_AT_ONCE = 100;
const COUNTED_AT_ONCE = 500;
const STATES = { "": "Any state", waiting: "waiting", delivered: "delivered", failed: "failed", paused: "withheld", replayed: "replayed" };
// seconds; the second attempt comes after about ten
const FAILING_AFTER = 30;
const KINDS = { queue: "queue", "service-bus": "Service Bus", https: "HTTPS" };

export function subscriptionLink(name, text = name) {
  return h("a", { href: subscriptionPlace(name) }, text);
}

/** What is wrong with a subscription, if anything. Of a queue it cannot be seen: its reader may just be slow. */
export function trouble({ kind, paused, failed, oldestSeconds }) {
  if (paused) return "paused";
  if (kind === "https" && oldestSeconds > FAILING_AFTER) return "failing";
  return failed ? "failed" : null;
}

function state(each) {
  const found = trouble(each);
  return badge(found ?? "sent", { failed: "has failures" }[found] ?? found ?? "sending");
}

function named(each) {
  return each.title ?? each.name;
}

/** The number of messages that wait, and how old the oldest is. */
function waiting(each) {
  if (each.waiting === undefined) return h("span", { class: "none", title: "The app may only send to Service Bus, so it does not know." }, "unknown");
  return [number(each.waiting), each.oldestSeconds !== undefined && h("span", { class: "note" }, `oldest ${duration(each.oldestSeconds)}`)];
}

export async function subscriptions(main, page) {
  const place = h("div", {});
  fill(
    main,
    h("h1", {}, "Subscriptions"),
    h("p", { class: "lead" }, "Each gets the events that it names, as CloudEvents messages. ", h("code", {}, "subscriptions.toml"), " decides who gets what."),
    place,
  );
  const refresh = async () => {
    const found = (await json("subscriptions", { signal: page.signal })).subscriptions;
    refill(place, found.length ? table(found) : h("p", { class: "end" }, "There are no subscriptions: events are kept, but sent to nobody."));
  };
  await repeat(refresh, EVERY, page);
}

const COLUMNS = ["Subscription", "Gets", "This hour", "24 hours", "Waiting", "Failed", "Withheld", "State"];

function table(found) {
  const cell = (index, value, ...content) => h("td", { "data-name": COLUMNS[index], class: value === 0 ? "idle" : null }, content.length ? content : value);
  return h(
    "table",
    { class: "list small stacked" },
    h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))),
    h(
      "tbody",
      {},
      found.map((each) =>
        h(
          "tr",
          {},
          h("td", {}, h("a", { href: subscriptionPlace(each.name), class: "main", "data-item": true }, named(each)), h("div", { class: "hint" }, KINDS[each.kind], " ", each.title && h("code", {}, each.name))),
          cell(1, gets(each)),
          cell(2, number(each.thisHour)),
          cell(3, number(each.lastDay)),
          cell(4, waiting(each)),
          cell(5, each.failed, amount(each.failed)),
          cell(6, each.missed, amount(each.missed)),
          cell(7, state(each)),
        ),
      ),
    ),
  );
}

function amount(count) {
  return count ? h("b", { class: "wrong" }, number(count)) : "0";
}

function gets({ events, duplicates }) {
  const names = events.map((name, index) => [index > 0 && ", ", name === "*" ? "everything" : h("code", {}, breakable(name))]);
  return [h("span", {}, names), duplicates === "drop" && h("div", { class: "hint" }, "without duplicates")];
}

export async function subscription(main, page) {
  const { parts: [name], search, signal, report } = page;
  const path = `subscriptions/${encodeURIComponent(name)}`;
  const wanted = search.get("state") ?? "";
  const head = h("div", {});
  const result = h("p", { class: "remark", role: "status" });
  const rows = h("tbody", {});
  const list = h("table", { class: "list small stacked" }, h("thead", {}, h("tr", {}, SENDS.map((text) => h("th", { scope: "col" }, text)))), rows);
  const end = h("p", { class: "end" });
  let asked = PAGE;
  let known;

  async function refresh() {
    known = await json(`${path}${query({ state: wanted, limit: asked })}`, { signal });
    refill(head, title(known), paused(known) ?? lastFailure(known), figures(known));
    refill(rows, known.sends.map(line));
    list.hidden = !known.sends.length;
    const none = wanted ? "None in this state." : known.kind === "https" ? "Nothing was sent here yet." : "It missed nothing. Each delivery’s page shows who got it.";
    if (known.cursor && asked < LARGEST_PAGE) refill(end, further);
    else refill(end, known.sends.length ? "End of the list." : none);
  }

  async function more() {
    asked = Math.min(asked + PAGE, LARGEST_PAGE);
    await refresh();
  }

  const further = olderButton(more, report);

  async function done(text) {
    result.textContent = text;
    await refresh();
  }

  const call = (verb, body) => json(`${path}/${verb}`, { method: "POST", body });

  async function test() {
    result.textContent = "Sending a test event …";
    const { id } = await call("test", {});
    if (known.kind !== "https") return done("The test event was sent. Its type is com.printiq.test.");
    for (let turn = 0; turn < 20 && !signal.aborted; turn += 1) {
      await refresh();
      const sent = known.sends.find((each) => each.delivery === id);
      if (sent?.attempts) return (result.textContent = sent.state === "delivered" ? `The test event was delivered: ${answered(sent)}.` : `The test event was not delivered: ${reason(sent) ?? `${answered(sent)}.`}`);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    return (result.textContent = "The test event is still waiting. Its outcome appears in the list.");
  }

  function pause() {
    const reason = h("textarea", { id: "reason", rows: "3", required: true, maxlength: "1000" });
    dialog({
      title: `Pause ${named(known)}`,
      text: "Its events are withheld until it is resumed. They are kept, and can be replayed then.",
      fields: [h("label", { for: "reason" }, "Reason"), reason],
      button: "Pause",
      async act() {
        if (!reason.value.trim()) throw new Error("Give a reason, for the next person who looks.");
        await call("pause", { reason: reason.value, by: operator() });
        await done("Paused. It takes effect everywhere within half a minute.");
      },
    });
  }

  function resume() {
    dialog({
      title: `Resume ${named(known)}`,
      text: "It gets new events again. What it missed stays to be replayed.",
      button: "Resume",
      async act() {
        await call("resume", { by: operator() });
        await done("Resumed. It takes effect everywhere within a second.");
      },
    });
  }

  async function replay() {
    const { matched, skipped, more: further } = await call("replay", { dryRun: true, limit: COUNTED_AT_ONCE });
    if (!matched) {
      result.textContent = skipped ? `${number(skipped)} cannot be replayed: their bytes are no longer kept.` : "It missed nothing.";
      return;
    }
    dialog({
      title: "Replay what it missed",
      text: `${further ? "More than " : ""}${number(matched)} can be replayed, to this subscription alone.${skipped ? ` ${number(skipped)} cannot.` : ""}`,
      button: "Replay",
      async act(_, run) {
        let replayed = 0;
        let part = { more: true };
        while (part.more && !run.stopped) {
          part = await call("replay", { by: operator(), limit: REPLAYED_AT_ONCE });
          replayed += part.matched;
          run.report(replayed, Math.max(matched, replayed));
        }
        // each call begins with the oldest, and meets what cannot be replayed again
        await done(`${number(replayed)} replayed${part.skipped ? `, ${number(part.skipped)} could not be` : ""}.${part.more ? " Stopped: there are more." : ""}`);
      },
    });
  }

  function title(each) {
    return h(
      "div",
      { class: "title" },
      h("div", {}, h("h1", {}, named(each)), h("p", { class: "about" }, h("span", { class: "kind" }, KINDS[each.kind]), " ", each.title && h("code", {}, each.name))),
      state(each),
      h(
        "div",
        { class: "actions" },
        !each.paused && (each.failed > 0 || each.missed > 0) && h("button", { type: "button", class: "primary", onclick: once(replay, report) }, "Replay missed …"),
        each.paused ? h("button", { type: "button", class: "primary", onclick: resume }, "Resume …") : h("button", { type: "button", onclick: pause }, "Pause …"),
        h("button", { type: "button", onclick: once(test, report) }, "Send test event"),
      ),
    );
  }

  function paused({ pause: found }) {
    return found && h("p", { class: "remark" }, "Paused ", moment(found.at), found.by && ` by ${found.by}`, `: ${found.reason}`);
  }

  try {
    await refresh();
  } catch (error) {
    if (error.status !== 404) throw error;
    fill(main, h("h1", {}, "No such subscription"), h("p", { class: "lead" }, error.message, " ", h("a", { href: "#/subscriptions" }, "See all of them"), "."));
    return;
  }
  const choose = ({ target: { value } }) => (location.hash = `#/${path}${query({ state: value })}`);
  fill(
    main,
    head,
    result,
    h(
      "section",
      { class: "card history" },
      h(
        "div",
        { class: "card-head" },
        h("h2", {}, "History"),
        h("select", { "aria-label": "State", onchange: choose }, Object.entries(STATES).map(([value, text]) => h("option", { value, selected: value === wanted }, text))),
      ),
      list,
      end,
    ),
  );
  await repeat(refresh, EVERY, { ...page, begun: true });
}

/** Why it does not take its events: the last failure among the deliveries shown. */
function lastFailure({ sends }) {
  const failures = sends.filter(({ state, attempts }) => attempts > 0 && ["waiting", "failed"].includes(state));
  if (!failures.length) return null;
  const last = failures.reduce((one, other) => (one.lastAt < other.lastAt ? other : one));
  const details = [reason(last), last.answer].filter(Boolean).join(" ");
  return h("div", { class: "remark" }, "Last failure ", moment(last.lastAt), ": ", answered(last), details && h("div", { class: "why" }, details));
}

function figures(each) {
  const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "card head" },
    fact("Gets", gets(each)),
    fact("This hour", number(each.thisHour)),
    fact("24 hours", number(each.lastDay)),
    fact("Waiting", waiting(each)),
    fact("Failed", amount(each.failed)),
    fact("Withheld", amount(each.missed)),
  );
}

const SENDS = ["Last", "Event", "State", "Attempts", "Outcome", "Next attempt"];

function line(each) {
  const cell = (index, ...content) => h("td", { "data-name": SENDS[index] }, content);
  return h(
    "tr",
    {},
    cell(0, moment(each.lastAt)),
    h("td", {}, each.event === "test" ? "test event" : h("a", { href: `#/events/${each.delivery}`, class: "main", "data-item": true }, breakable(each.event)), " ", each.subject && h("span", { class: "hint" }, each.kind, " ", subjectLink(each.kind, each.subject))),
    cell(2, sendState(each)),
    ...outcome(each, cell),
  );
}

/** A delivery's state at a subscription, with what it was replayed as. */
function sendState(each) {
  return [badge(each.state, STATES[each.state]), each.replayedBy && [" ", h("a", { href: `#/events/${each.replayedBy}` }, "replay")]];
}

/** Why an attempt failed, unless that is only its status, which is shown beside it. */
function reason({ error, status }) {
  return error === `It responded with ${status}.` ? undefined : error;
}

function outcome(each, cell) {
  return [
    each.attempts ? cell(3, number(each.attempts)) : h("td", { class: "idle" }),
    cell(4, each.attempts > 0 && h("span", { class: "answered" }, answered(each)), [reason(each), each.answer].filter(Boolean).map((text) => h("div", { class: "hint why" }, text))),
    each.nextAt ? cell(5, moment(each.nextAt)) : h("td", { class: "idle" }),
  ];
}

/** The last response in short: "HTTP 200 in 120 ms". */
function answered({ status, latencyMs }) {
  return [status ? `HTTP ${status}` : "no response", latencyMs !== undefined && ` in ${duration(latencyMs / 1000)}`].filter(Boolean).join("");
}

/** What became of one delivery at each subscription that it was pushed to, or withheld from. */
export function sendsOf({ sends, queues, sentTo, withheld, withheldFrom }) {
  const names = [...queues, ...withheld];
  const titles = new Map([...sentTo, ...withheldFrom].map((title, index) => [names[index], title]));
  const columns = ["Subscription", ...SENDS.slice(2)];
  const cell = (index, ...content) => h("td", { "data-name": SENDS[index] }, content);
  return h(
    "section",
    { class: "card history" },
    h("div", { class: "card-head" }, h("h2", {}, "At its subscriptions")),
    h(
      "table",
      { class: "list small stacked" },
      h("thead", {}, h("tr", {}, columns.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, sends.map((each) => h("tr", {}, h("td", {}, subscriptionLink(each.subscription, titles.get(each.subscription))), cell(2, sendState(each)), ...outcome(each, cell)))),
    ),
  );
}
