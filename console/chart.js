// Charts of counts: by hour or day and status, and by event.

import { h, HOUR, number, s } from "./dom.js";
import { STATUSES } from "./filters.js";

const HEIGHT = 140;
const AXIS = 18;
// The room that the label of a bar takes.
const LABEL = 54;

/** Draw a bar for each hour or day; `choose(bucket)` is called with the one that was chosen. */
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
    role: "group",
    "aria-label": `Events per ${per}: at most ${number(highest)}, ${number(sums.reduce((all, sum) => all + total(sum), 0))} in all.`,
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
    const counts = STATUSES.filter((status) => sum.get(status)).map((status) => `${number(sum.get(status))} ${status}`);
    const description = `${began(bucket.start, per)}: ${counts.join(", ") || "nothing"}`;
    drawing.append(
      s(
        "g",
        { class: "bar-group", tabindex: "0", role: "button", "aria-label": description, onclick: () => choose(bucket), onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), choose(bucket)) },
        s("title", {}, description),
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

/** Write when a bar begins: an hour in the reader's time zone, a day in UTC, since days are counted in UTC. */
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

/** List the events, most frequent first; `choose(event)` is called with the one that was chosen. */
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
