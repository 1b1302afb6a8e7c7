// Schema changes: fields that printIQ sends and the models do not know, cannot read, or never received.

import { json } from "./api.js";
import { fill, h, moment, number } from "./dom.js";

export async function changes(main, { signal }) {
  const { events } = await json("drift", { signal });
  fill(
    main,
    h("h1", {}, "Schema changes"),
    h(
      "p",
      { class: "lead" },
      "printIQ’s payloads differ by version and by tenant. Nothing is lost: unknown fields are passed on, and values that cannot be read are kept as received. " +
        "Examples show the form of a value, not the value.",
    ),
    events.length
      ? events.map(event)
      : h("p", { class: "end" }, "No events were compared yet."),
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
      h("span", { class: differs ? "badge failing" : "badge sent" }, differs ? `${differs} ${differs === 1 ? "field differs" : "fields differ"}` : "no change"),
    ),
    sightings("Unknown fields", found.unknown),
    sightings("Values that could not be read", found.unread),
    found.neverArrived.length > 0 && [h("h3", {}, "Known fields that were never received"), h("p", { class: "names" }, found.neverArrived.map((name) => [h("code", {}, name), " "]))],
    found.more && h("p", { class: "hint" }, "There were more fields than fit here."),
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
      h("thead", {}, h("tr", {}, ["Field", "Example", "Times"].map((name) => h("th", { scope: "col" }, name)), ["First", "Last"].map((name) => h("th", { scope: "col", class: "seen" }, name)))),
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
