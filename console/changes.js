// Schema changes: what printIQ sends that the models do not know or cannot read, new fields first.

import { copy } from "./actions.js";
import { json } from "./api.js";
import { fill, h, moment, number } from "./dom.js";
import { breakable } from "./list.js";

const DAY_MS = 86_400_000;
const NEWS = ["Field", "Example", "Since", "How often", "Adopt"];
const COMMAND = "python3 dev.py adopt";

/** Whether a field came later than the event itself: the first deliveries show what printIQ always sent. */
function isNew(field, { first }) {
  return new Date(field.first) - new Date(first) > DAY_MS;
}

export async function changes(main, { signal }) {
  const { events } = await json("drift", { signal });
  const status = h("p", { class: "hint", role: "status" });
  const found = events.flatMap((event) => [
    ...event.unread.map((field) => ({ ...field, event, what: "cannot be read" })),
    ...event.unknown.filter((field) => isNew(field, event)).map((field) => ({ ...field, event, what: "new" })),
  ]);
  found.sort((one, other) => (one.first < other.first ? 1 : -1));
  fill(
    main,
    h("h1", {}, "Schema changes"),
    h(
      "p",
      { class: "lead" },
      "printIQ’s payloads differ by version and by tenant. Nothing is lost: unknown fields are passed on, and values that cannot be read are kept as received. " +
        "Examples show the form of a value, not the value.",
    ),
    events.length === 0 && h("p", { class: "end" }, "No events were compared yet."),
    events.length > 0 && !found.length && h("p", {}, h("span", { class: "badge sent" }, "no change"), " Every value could be read, and no field has appeared since the first day of its event."),
    found.length > 0 && news(found, status),
    events.length > 0 && h("h2", { class: "apart" }, "Each event and its model"),
    events.map(event),
  );
}

function news(found, status) {
  return h(
    "section",
    { class: "card news" },
    h("div", { class: "card-head" }, h("h2", {}, "New or unreadable"), status),
    h(
      "table",
      { class: "list small stacked" },
      h("thead", {}, h("tr", {}, NEWS.map((name) => h("th", { scope: "col" }, name)))),
      h(
        "tbody",
        {},
        found.map((each) =>
          h(
            "tr",
            {},
            h(
              "td",
              {},
              h("code", {}, each.field),
              h("div", { class: "hint" }, breakable(each.event.event), " ", h("span", { class: `badge ${each.what === "new" ? "state" : "failing"}` }, each.what)),
            ),
            h("td", { "data-name": NEWS[1] }, h("code", {}, each.example)),
            h("td", { "data-name": NEWS[2] }, moment(each.first), h("div", { class: "hint" }, "last ", moment(each.last))),
            h("td", { "data-name": NEWS[3] }, `${number(each.count)} of ${number(each.event.deliveries)}`),
            h("td", { "data-name": NEWS[4] }, each.delivery && adopting(each, status)),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "hint" },
      "To adopt a change, run the copied command in the project’s folder: it saves that delivery as a sample with invented data. Then add the field to the model; ",
      h("code", {}, "python3 dev.py drift --backtest"),
      " shows what consumers would receive.",
    ),
  );
}

function adopting({ delivery, field, event }, status) {
  const name = `${event.event} ${field}`.replace(/[^A-Za-z0-9]+/g, "-").toLowerCase().slice(0, 60);
  return h(
    "span",
    {},
    h("button", { type: "button", class: "quiet", title: `${COMMAND} ${delivery}`, onclick: () => copy(`${COMMAND} ${delivery} --name ${name} --url ${location.origin}`, status) }, "Copy command"),
    " ",
    h("a", { href: `#/events/${delivery}` }, "delivery"),
  );
}

function event(found) {
  const fresh = found.unknown.filter((field) => isNew(field, found)).length;
  const extra = found.unknown.length;
  const badge = [fresh && `${number(fresh)} new`, found.unread.length && `${number(found.unread.length)} cannot be read`].filter(Boolean).join(", ");
  return h(
    "details",
    { class: "card drift" },
    h(
      "summary",
      { "data-item": true },
      h("h3", {}, found.event),
      h("span", { class: "note" }, `${number(found.deliveries)} × ${found.object}`),
      h("span", { class: badge ? "badge failing" : "note" }, badge || (extra ? `${number(extra)} not in the model` : "as the model")),
    ),
    sightings("Fields that are not in the model", found.unknown),
    sightings("Values that could not be read", found.unread),
    found.neverArrived.length > 0 && [h("h4", {}, "Known fields that were never received"), h("p", { class: "names" }, found.neverArrived.map((name) => [h("code", {}, name), " "]))],
    found.more && h("p", { class: "hint" }, "There were more fields than fit here."),
  );
}

function sightings(title, seen) {
  if (!seen.length) return null;
  return [
    h("h4", {}, title),
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
