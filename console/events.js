// Every delivery, newest first: search, filters, counts, and a list that follows what arrives.

import { json, query } from "./api.js";
import { bars, began, byEvent, legend, total, totals } from "./chart.js";
import { exporter } from "./export.js";
import { duration, fill, h, number, refill, subscriptionPlace } from "./dom.js";
import * as filters from "./filters.js";
import { list, olderButton } from "./list.js";
import { repeat } from "./repeat.js";
import { having, search } from "./search.js";
import { start } from "./start.js";

const LIST_EVERY = 3_000;
const STATS_EVERY = 15_000;
const STALE_AFTER = 20_000;
const PAGE = 50;
const LARGEST_PAGE = 500;
const DAY_MS = 86_400_000;
const NARROW = matchMedia("(max-width: 960px)");

export async function events(main, { search: asked, signal, report, before, remember }) {
  const filter = filters.read(asked);
  const filtered = !filters.isEmpty(filter);
  const others = Object.entries(filter).some(([name, value]) => value && name !== "subject");
  const figures = h("div", { class: "figures", role: "group", "aria-label": "Now" });
  const chart = h("div", { class: "charts" });
  const overview = h("details", { class: "overview", open: !NARROW.matches, ontoggle: () => state.draw?.() }, h("summary", {}, "Overview"), figures, chart);
  const table = list({ caption: "Events, newest first" });
  const end = h("p", { class: "end" });
  const further = olderButton(older, report);
  const live = h("button", { type: "button", class: "live quiet", "aria-pressed": "true", onclick: () => follow(live) }, "Live");
  const updated = h("span", { class: "updated", role: "status" });
  const state = { first: [], older: [], deeper: false, cursor: null, updatedAt: 0, asked: Math.min(Math.max(before.rows ?? PAGE, PAGE), LARGEST_PAGE) };
  const welcome = h("section", { hidden: true });
  const more = filters.folded(filters.controls(filter, change));
  const rest = h("section", { hidden: true, "aria-label": "List" }, table.element, end);

  fill(
    main,
    h("h1", { class: "unseen" }, "Events"),
    h("div", { class: "tools" }, search(filter, signal), more, h("div", { class: "following" }, exporter(() => filters.parameters(filter), report), updated, live)),
    filters.chosen("", filter),
    overview,
    welcome,
    rest,
  );

  function change(members) {
    location.hash = filters.address("", { ...filter, ...members });
  }

  async function refresh() {
    const page = await json(`deliveries${query({ ...filters.parameters(filter), limit: state.asked })}`, { signal });
    state.updatedAt = Date.now();
    const ids = new Set(page.deliveries.map((row) => row.id));
    // where a page and more arrived at once, the rows in between are unknown: start the list again
    if (page.deliveries.length === state.asked && !state.first.some((row) => ids.has(row.id))) Object.assign(state, { older: [], deeper: false });
    // until older rows are asked for the list is the first page, and its cursor changes with it
    if (!state.deeper) state.cursor = page.cursor ?? null;
    state.older = state.older.filter((row) => !ids.has(row.id));
    // rows that were pushed off the first page meanwhile stay in the list
    if (state.deeper && page.deliveries.length) state.older = [...pushedOff(page.deliveries), ...state.older];
    state.first = page.deliveries;
    show();
    const empty = !state.first.length && !state.older.length;
    table.element.hidden = empty;
    rest.hidden = empty && !filtered && !state.cursor;
    if (rest.hidden && welcome.hidden) fill(welcome, start());
    welcome.hidden = !rest.hidden;
    // a chart is as wide as its place, and a hidden one has no width
    if (overview.hidden && !rest.hidden) count().catch(report);
    overview.hidden = rest.hidden;
    if (empty && filter.subject && !others) state.similar ??= await having(filter.subject, signal);
    atEnd(empty);
  }

  function show() {
    const rows = [...state.first, ...state.older];
    table.show(rows);
    remember({ rows: rows.length });
  }

  function pushedOff(first) {
    const oldest = first.at(-1).id;
    const known = new Set(state.older.map((row) => row.id));
    return state.first.filter((row) => row.id < oldest && !known.has(row.id));
  }

  function atEnd(empty) {
    if (state.cursor) {
      refill(end, empty ? "No events found in the newest days. " : "", further);
    } else if (empty && filter.subject && others) {
      refill(
        end,
        `No events found for ${filter.subject} with these filters. `,
        h("a", { href: filters.address("", { subject: filter.subject }) }, "Search without them"),
        ".",
      );
    } else if (empty && filter.subject) {
      refill(
        end,
        `No events found for ${filter.subject}. `,
        state.similar?.length
          ? ["Did you mean ", state.similar.map(({ kind, key, place }, index) => [index > 0 && ", ", h("span", { class: "kind" }, kind), " ", h("a", { href: place }, key)]), "? "]
          : "",
        "Of refused events, only those under ",
        h("a", { href: "#/attention" }, "Needs attention"),
        " are searched.",
      );
    } else {
      refill(end, empty ? "No events match these filters." : "End of the list.");
    }
  }

  async function older() {
    state.deeper = true;
    const page = await json(`deliveries${query({ ...filters.parameters(filter), limit: PAGE, cursor: state.cursor })}`, { signal });
    if (!state.deeper) return; // the list started again meanwhile
    state.older.push(...page.deliveries);
    state.cursor = page.cursor ?? null;
    show();
    atEnd(!state.first.length && !state.older.length);
  }

  /** The range of the charts: the filter's, the last 24 hours without one. */
  function period() {
    const { from, to } = filters.parameters(filter);
    const begin = from ? new Date(from) : new Date(Date.now() - DAY_MS);
    const per = (to ? new Date(to) : Date.now()) - begin > 3 * DAY_MS ? "day" : "hour";
    return { per, from: from ? begin.toISOString() : "", to };
  }

  function counted(buckets) {
    const wanted = (name) => new Set(filter[name] ? filter[name].split(",") : []);
    const [statuses, names] = [wanted("status"), wanted("event")];
    const matches = (count) => (!statuses.size || statuses.has(count.status)) && (!names.size || names.has(count.event));
    return buckets.map((bucket) => ({ ...bucket, counts: bucket.counts.filter(matches) }));
  }

  async function count() {
    const { per, ...times } = period();
    const stats = await json(`stats${query({ per, ...times })}`, { signal });
    const buckets = counted(stats.buckets);
    const widened = new Date(stats.from) < new Date(times.from || stats.from) || new Date(stats.to) > new Date(times.to || stats.to);
    refill(figures, ...shown(stats, buckets, filter, widened));
    const draw = () =>
      refill(
        chart,
        h(
          "section",
          { class: "card", "aria-label": "Events over time" },
          h("div", { class: "card-head" }, h("h2", {}, per === "hour" ? "By hour" : "By day, in UTC"), legend(buckets)),
          bars(buckets, { width: Math.max(280, chartWidth()), per, choose: (bucket) => change({ when: "custom", ...span(bucket, per) }) }),
        ),
        h(
          "section",
          { class: "card", "aria-label": "Events by type" },
          h("div", { class: "card-head" }, h("h2", {}, "By event")),
          byEvent(buckets, { choose: (event) => change({ event }) }),
        ),
      );
    state.draw = () => overview.open && draw();
    state.draw();
  }

  function chartWidth() {
    return (chart.firstElementChild?.clientWidth || main.clientWidth) - 32;
  }

  function age() {
    const old = Date.now() - state.updatedAt;
    if (!state.updatedAt) return;
    updated.textContent = `updated ${duration(Math.max(1, Math.round(old / 1000)))} ago`;
    const stale = old > STALE_AFTER || !document.getElementById("trouble").hidden;
    updated.classList.toggle("stale", stale);
    live.classList.toggle("stale", stale);
  }

  const clock = setInterval(age, 1000);
  signal.addEventListener("abort", () => clearInterval(clock));
  addEventListener("resize", () => state.draw?.(), { signal });
  // subjects and channels are not counted by the API: the charts would not follow these filters
  overview.classList.toggle("gone", Boolean(filter.subject || filter.kind || filter.channel));
  const following = { signal, report, wanted: () => live.getAttribute("aria-pressed") === "true" };
  await Promise.all([repeat(refresh, LIST_EVERY, following), repeat(count, STATS_EVERY, following)]);
  age();
  state.draw?.();
}

function follow(live) {
  live.setAttribute("aria-pressed", String(live.getAttribute("aria-pressed") === "false"));
}

function span(bucket, per) {
  const begin = new Date(bucket.start);
  const end = new Date(begin.getTime() + (per === "hour" ? 3_600_000 : DAY_MS));
  return { from: begin.toISOString(), to: end.toISOString() };
}

/** The figures of now: how much arrived, what waits, how full the queues are. */
function shown(stats, buckets, filter, widened) {
  const sums = totals(buckets.flatMap((bucket) => bucket.counts), (count) => count.status);
  const figure = (name, value, note, link, alarm) =>
    h(
      link ? "a" : "div",
      { class: `figure${alarm ? " alarm" : ""}`, href: link },
      h("span", { class: "value" }, value),
      h("span", { class: "name" }, name),
      note && h("span", { class: "note" }, note),
    );
  const waits = (queue) => (queue.oldestSeconds === undefined ? "" : `oldest ${duration(queue.oldestSeconds)}`);
  const title = filters.isEmpty(filter) ? "events in the last 24 hours" : "events that match";
  const note = stats.countedFrom
    ? `counted from ${began(stats.countedFrom, stats.per)} on: the older ones are too many`
    : widened && `counted in whole ${stats.per}s`;
  return [
    figure(title, number(total(sums)), note),
    figure("need attention", stats.open.more ? `${number(stats.open.count)}+` : number(stats.open.count), "refused or failed", "#/attention", stats.open.count),
    ...stats.queues
      .filter((queue) => ["inbox", "result"].includes(queue.role) || (queue.messages && queue.role !== "push"))
      .map((queue) => {
        const link = queue.role === "result" && subscriptionPlace(queue.name);
        return figure(queue.role === "inbox" ? "in the inbox" : `waiting for ${queue.title ?? queue.name}`, number(queue.messages), waits(queue), link, queue.role === "poison");
      }),
  ];
}
