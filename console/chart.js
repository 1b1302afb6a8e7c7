// Charts, drawn from counts: received per hour by status, and by event.

import { h, HOUR, number, s } from "./dom.js";

export const STATUSES = ["sent", "duplicate", "failing", "quarantined", "failed"];
const HEIGHT = 140;
const AXIS = 18;
// The room that the label of a bar takes.
const LABEL = 54;

/** Draw a bar for each hour or day; `choose(bucket)` is called with the one that was clicked. */
export function bars(buckets, { width, per, choose }) {
  const sums = buckets.map((bucket) => totals(bucket.counts, (count) => count.status));
  const highest = Math.max(1, ...sums.map((sum) => total(sum)));
  const room = width / Math.max(1, buckets.length);
  const scale = (HEIGHT - AXIS - 6) / highest;
  const drawing = s("svg", {
    class: "bars",
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: "img",
    "aria-label": `Received per ${per}: at most ${number(highest)}, ${number(sums.reduce((all, sum) => all + total(sum), 0))} in all.`,
  });
  const label = new Intl.DateTimeFormat(undefined, per === "hour" ? { hour: HOUR, minute: "2-digit" } : { day: "numeric", month: "short", timeZone: "UTC" });
  const every = Math.ceil(LABEL / room);
  buckets.forEach((bucket, index) => {
    const sum = sums[index];
    const x = index * room;
    let y = HEIGHT - AXIS;
    const parts = STATUSES.filter((status) => sum.get(status)).map((status) => {
      const tall = Math.max(1.5, sum.get(status) * scale);
      y -= tall;
      return s("rect", { class: status, x: x + room * 0.12, y, width: room * 0.76, height: tall, rx: 1 });
    });
    const told = STATUSES.filter((status) => sum.get(status)).map((status) => `${number(sum.get(status))} ${status}`);
    drawing.append(
      s(
        "g",
        { class: "bar-group", onclick: () => choose(bucket) },
        s("title", {}, `${began(bucket.start, per)}: ${told.join(", ") || "nothing"}`),
        s("rect", { class: "room", x, y: 0, width: room, height: HEIGHT - AXIS }),
        parts,
      ),
    );
    if (index % every === 0 && x + LABEL <= width) {
      drawing.append(s("text", { x: x + room * 0.12, y: HEIGHT - 4 }, label.format(new Date(bucket.start))));
    }
  });
  drawing.append(s("line", { x1: 0, x2: width, y1: HEIGHT - AXIS + 0.5, y2: HEIGHT - AXIS + 0.5 }));
  return drawing;
}

/** Say when a bar begins: an hour in the reader's own time, a day in UTC, by which the days are counted. */
export function began(iso, per) {
  const date = new Date(iso);
  return per === "hour" ? date.toLocaleString() : `${date.toLocaleDateString(undefined, { timeZone: "UTC" })} UTC`;
}

export function legend(buckets) {
  const sums = totals(buckets.flatMap((bucket) => bucket.counts), (count) => count.status);
  return h(
    "ul",
    { class: "legend" },
    STATUSES.filter((status) => sums.get(status)).map((status) =>
      h("li", {}, h("span", { class: `swatch ${status}` }), `${status} `, h("b", {}, number(sums.get(status)))),
    ),
  );
}

/** List the events by how often they came; `choose(event)` is called with the one that was clicked. */
export function byEvent(buckets, { choose }) {
  const sums = totals(buckets.flatMap((bucket) => bucket.counts), (count) => count.event);
  const highest = Math.max(1, ...sums.values());
  const rows = [...sums].sort(([, one], [, other]) => other - one);
  return h(
    "ol",
    { class: "by-event" },
    rows.map(([event, count]) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "quiet", onclick: () => choose(event), title: `Show only ${event}` },
          h("span", { class: "name" }, event),
          h("meter", { min: 0, max: highest, value: count, "aria-hidden": "true" }),
          h("span", { class: "value" }, number(count)),
        ),
      ),
    ),
  );
}

export function totals(counts, by) {
  const sums = new Map();
  for (const count of counts) sums.set(by(count), (sums.get(by(count)) ?? 0) + count.count);
  return sums;
}

export function total(sums) {
  return [...sums.values()].reduce((all, some) => all + some, 0);
}
