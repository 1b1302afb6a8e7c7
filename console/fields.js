// Field drift: what printIQ sends that the models do not know, know otherwise, or wait for in vain.

import { json } from "./api.js";
import { fill, h, moment, number } from "./dom.js";

export async function fields(main, { signal }) {
  const { events } = await json("drift", { signal });
  fill(
    main,
    h("h1", {}, "Fields"),
    h(
      "p",
      { class: "lead" },
      "printIQ’s payloads differ by version and by tenant. Nothing is lost by that: unknown fields are passed on, values that cannot be read stay as they came. " +
        "Examples show the form of a value, not the value.",
    ),
    events.length
      ? events.map(event)
      : h("p", { class: "end" }, "Nothing was compared yet. This page fills as events are received."),
  );
}

function event(found) {
  const differs = found.unknown.length + found.unread.length;
  return h(
    "details",
    { class: "card drift" },
    h(
      "summary",
      { "data-item": true },
      h("h2", {}, found.event),
      h("span", { class: "note" }, `${number(found.deliveries)} × ${found.object}`),
      h("span", { class: differs ? "badge failing" : "badge sent" }, differs ? `${differs} ${differs === 1 ? "field differs" : "fields differ"}` : "as known"),
    ),
    sightings("Fields that the model does not know", found.unknown),
    sightings("Values that could only be kept as they came", found.unread),
    found.neverArrived.length > 0 && [h("h3", {}, "Known fields that never arrived"), h("p", { class: "names" }, found.neverArrived.map((name) => [h("code", {}, name), " "]))],
    found.more && h("p", { class: "hint" }, "There were more fields than are kept here."),
    differs > 0 &&
      h("p", { class: "hint" }, "To teach the model: ", h("code", {}, "python3 dev.py adopt ID"), " saves one of these as a sample with invented data; ", h("code", {}, "python3 dev.py drift --backtest"), " shows what a changed model would do."),
  );
}

function sightings(title, seen) {
  if (!seen.length) return null;
  return [
    h("h3", {}, title),
    h(
      "table",
      { class: "list small" },
      h("thead", {}, h("tr", {}, ["Field", "Like", "Times"].map((name) => h("th", { scope: "col" }, name)), ["First", "Last"].map((name) => h("th", { scope: "col", class: "seen" }, name)))),
      h(
        "tbody",
        {},
        seen.map((each) =>
          h(
            "tr",
            {},
            h("td", {}, h("code", {}, each.field)),
            h("td", {}, h("code", { class: "form" }, each.example)),
            h("td", { class: "value" }, number(each.count)),
            h("td", { class: "seen" }, moment(each.first)),
            h("td", { class: "seen" }, moment(each.last)),
          ),
        ),
      ),
    ),
  ];
}
