// What was received: counts, a chart, filters, and a list that follows what arrives.

import { json, query } from "./api.js";
import { bars, began, byEvent, legend, STATUSES, total, totals } from "./chart.js";
import { duration, fill, h, number, refill, subjectLink } from "./dom.js";
import { list, olderButton } from "./list.js";
import { beginning, search } from "./search.js";
import { start } from "./start.js";

const LIST_EVERY = 3_000;
const STATS_EVERY = 15_000;
const PAGE = 50;
const FILTERS = ["subject", "kind", "event", "status", "channel", "from", "to"];

export async function received(main, { search: asked, signal, report }) {
  const filter = Object.fromEntries(FILTERS.map((name) => [name, asked.get(name) ?? ""]));
  const filtered = Object.values(filter).some(Boolean);
  const others = Object.entries(filter).some(([name, value]) => value && name !== "subject");
  const figures = h("div", { class: "figures", "aria-label": "Now" });
  const chart = h("div", { class: "charts" });
  const table = list({ caption: "Received, the newest first" });
  const end = h("p", { class: "end" });
  const further = olderButton(older, report);
  const live = h("button", { type: "button", class: "live quiet", "aria-pressed": "true", onclick: () => follow(live) }, "Live");
  const state = { first: [], older: [], deeper: false, cursor: null, per: "hour" };
  const rest = h("section", { hidden: true, "aria-label": "List" }, table.element, end);
  const welcome = h("section", { hidden: true });

  fill(
    main,
    h("h1", { class: "unseen" }, "Received"),
    figures,
    chart,
    h("div", { class: "tools" }, search(filter, signal), filters(filter, change), live),
    filtered && chosen(filter),
    welcome,
    rest,
  );

  function change(members) {
    location.hash = `#/${query({ ...filter, ...members })}`;
  }

  async function refresh() {
    const page = await json(`deliveries${query({ ...filter, limit: PAGE })}`, { signal });
    const ids = new Set(page.deliveries.map((row) => row.id));
    // where a page and more arrived at once, what is between is not known: the list begins anew
    if (page.deliveries.length === PAGE && !state.first.some((row) => ids.has(row.id))) Object.assign(state, { older: [], deeper: false });
    // until older ones are asked for the list is the first page, and what follows it changes with it
    if (!state.deeper) state.cursor = page.cursor ?? null;
    state.older = state.older.filter((row) => !ids.has(row.id));
    // what was pushed off the first page meanwhile stays in the list
    if (state.deeper && page.deliveries.length) state.older = [...pushedOff(page.deliveries), ...state.older];
    state.first = page.deliveries;
    table.show([...state.first, ...state.older]);
    const empty = !state.first.length && !state.older.length;
    table.element.hidden = empty;
    rest.hidden = empty && !filtered && !state.cursor;
    if (rest.hidden && welcome.hidden) fill(welcome, start());
    welcome.hidden = !rest.hidden;
    // a chart is drawn as wide as its place, and what is hidden has none
    if (chart.hidden && !rest.hidden) count().catch(report);
    chart.hidden = figures.hidden = rest.hidden;
    if (empty && filter.subject && !others) state.similar ??= await beginning(filter.subject, signal);
    atEnd(empty);
  }

  function pushedOff(first) {
    const oldest = first.at(-1).id;
    const known = new Set(state.older.map((row) => row.id));
    return state.first.filter((row) => row.id < oldest && !known.has(row.id));
  }

  function atEnd(empty) {
    if (state.cursor) {
      refill(end, empty ? "Nothing found in the newest days. " : "", further);
    } else if (empty && filter.subject && others) {
      refill(
        end,
        `Nothing about “${filter.subject}” matches these filters. `,
        h("a", { href: `#/${query({ subject: filter.subject })}` }, "Search without them"),
        ".",
      );
    } else if (empty && filter.subject) {
      refill(
        end,
        `Nothing that was understood is about “${filter.subject}”. `,
        state.similar?.length
          ? ["These begin so: ", state.similar.map(({ kind, key }, index) => [index > 0 && ", ", h("span", { class: "kind" }, kind), " ", subjectLink(kind, key)]), ". "]
          : "Numbers are matched exactly as printIQ writes them: Q005218v2, J29328-01. ",
        "What was refused, failed or still waits is not found by its number: ",
        h("a", { href: "#/open" }, "see what is open"),
        ".",
      );
    } else {
      refill(end, empty ? "Nothing matches these filters." : "That is all there is.");
    }
  }

  async function older() {
    state.deeper = true;
    const page = await json(`deliveries${query({ ...filter, limit: PAGE, cursor: state.cursor })}`, { signal });
    if (!state.deeper) return; // the list began anew meanwhile
    state.older.push(...page.deliveries);
    state.cursor = page.cursor ?? null;
    table.show([...state.first, ...state.older]);
    atEnd(!state.first.length && !state.older.length);
  }

  async function count() {
    const stats = await json(`stats${query({ per: state.per, from: since(state.per) })}`, { signal });
    refill(figures, ...shown(stats));
    const draw = () =>
      refill(
        chart,
        h(
          "section",
          { class: "card", "aria-label": "Received over time" },
          h("div", { class: "card-head" }, h("h2", {}, stats.per === "hour" ? "Last 24 hours" : "Last 30 days, in UTC"), legend(stats.buckets), widths()),
          bars(stats.buckets, { width: Math.max(280, chartWidth()), per: stats.per, choose: (bucket) => change(span(bucket, stats.per)) }),
        ),
        h(
          "section",
          { class: "card", "aria-label": "Received by event" },
          h("div", { class: "card-head" }, h("h2", {}, "By event")),
          byEvent(stats.buckets, { choose: (event) => change({ event }) }),
        ),
      );
    draw();
    state.draw = draw;
  }

  function chartWidth() {
    return (chart.firstElementChild?.clientWidth ?? main.clientWidth) - 32;
  }

  function widths() {
    const button = (per, text) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-pressed": String(state.per === per),
          onclick: () => {
            state.per = per;
            count().catch(report);
          },
        },
        text,
      );
    return h("div", { class: "switch" }, button("hour", "24 h"), button("day", "30 d"));
  }

  addEventListener("resize", () => state.draw?.(), { signal });
  await Promise.all([repeat(refresh, LIST_EVERY, live, signal, report), repeat(count, STATS_EVERY, live, signal, report)]);
  state.draw?.();
}

/** Ask now, and from the first answer on again and again while the page is seen and the reader has not stopped it. */
async function repeat(work, every, live, signal, report) {
  const turn = async () => {
    try {
      await work();
      document.getElementById("trouble").hidden = true;
    } catch (error) {
      if (!signal.aborted) report(error, { again: true });
    }
  };
  await turn();
  if (signal.aborted) return;
  const timer = setInterval(() => {
    if (!document.hidden && live.getAttribute("aria-pressed") === "true") turn();
  }, every);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function follow(live) {
  live.setAttribute("aria-pressed", String(live.getAttribute("aria-pressed") === "false"));
}

function since(per) {
  if (per === "hour") return "";
  return new Date(Date.now() - 29 * 86_400_000).toISOString();
}

function span(bucket, per) {
  const start = new Date(bucket.start);
  const end = new Date(start.getTime() + (per === "hour" ? 3_600_000 : 86_400_000));
  return { from: start.toISOString(), to: end.toISOString() };
}

/** Show the figures of now: how much came, what waits, how full the queues are. */
function shown(stats) {
  const sums = totals(stats.buckets.flatMap((bucket) => bucket.counts), (count) => count.status);
  const figure = (name, value, note, link, alarm) =>
    h(
      link ? "a" : "div",
      { class: `figure${alarm ? " alarm" : ""}`, href: link },
      h("span", { class: "value" }, value),
      h("span", { class: "name" }, name),
      note && h("span", { class: "note" }, note),
    );
  const waits = (queue) => (queue.oldestSeconds === undefined ? "" : `oldest ${duration(queue.oldestSeconds)}`);
  return [
    figure(stats.per === "hour" ? "received in 24 hours" : "received in 30 days", number(total(sums)), stats.countedFrom && `counted from ${began(stats.countedFrom, stats.per)} on: older ones are too many`),
    figure("open", stats.open.more ? `${number(stats.open.count)}+` : number(stats.open.count), "wait for a decision", "#/open", stats.open.count),
    ...stats.queues
      .filter((queue) => !["notifications", "poison"].includes(queue.role) || queue.messages)
      .map((queue) => figure(queue.role === "inbox" ? "in the inbox" : queue.name, number(queue.messages), waits(queue), null, queue.role === "poison")),
  ];
}

function filters(filter, change) {
  const choose = (name, label, options) =>
    h(
      "label",
      {},
      h("span", { class: "unseen" }, label),
      h(
        "select",
        { onchange: (event) => change({ [name]: event.target.value }), "aria-label": label },
        h("option", { value: "" }, label),
        options.map((option) => h("option", { value: option, selected: option === filter[name] }, option)),
      ),
    );
  const events = choose("event", "Any event", filter.event ? [filter.event] : []);
  fillEvents(events.querySelector("select"), filter.event);
  return [
    events,
    choose("status", "Any status", STATUSES),
    choose("channel", "Any channel", ["webhook", "hot-folder", "ftp", "inbox"]),
  ];
}

async function fillEvents(select, chosenEvent) {
  try {
    const { schemas } = await json("schemas");
    const names = [...schemas.map((each) => each.event).sort(), "_unknown"].filter((name) => name !== chosenEvent);
    select.append(...names.map((name) => h("option", { value: name }, name)));
  } catch {
    // the filter stays as short as it is
  }
}

/** Name the filters in force, each with a way to drop it. */
function chosen(filter) {
  const shorter = { from: "from", to: "before", subject: "about" };
  const text = (name, value) => (name === "from" || name === "to" ? new Date(value).toLocaleString() : value);
  return h(
    "ul",
    { class: "chosen", "aria-label": "Filters" },
    Object.entries(filter)
      .filter(([, value]) => value)
      .map(([name, value]) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: `#/${query({ ...filter, [name]: "" })}`, title: "Drop this filter" },
            `${shorter[name] ?? name}: ${text(name, value)} `,
            h("span", { "aria-hidden": "true" }, "×"),
          ),
        ),
      ),
    h("li", {}, h("a", { class: "clear", href: "#/" }, "Show all")),
  );
}
