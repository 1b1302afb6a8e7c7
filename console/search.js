// Search by a number or a part of it, a name or a reference: what has the text is offered while typing.

import { DELIVERY_ID, json, query } from "./api.js";
import { fill, h, subjectPlace } from "./dom.js";
import { address, eventNames, FAILURES } from "./filters.js";

const MOST_SHOWN = 12;
const MOST_EVENTS = 3;

/** Find the subjects and the refused deliveries that have the text, each with its place and a note why. */
export async function having(text, signal) {
  if (text.length < 2) return [];
  const { subjects, deliveries } = await json(`search${query({ q: text })}`, { signal });
  return [
    ...subjects.map(({ kind, key, matched, customer, reference }) => ({
      kind,
      key,
      place: subjectPlace(kind, key),
      note: [...new Set([matched.fact !== "key" && matched.value, customer, reference])].filter((each) => each && each !== key).join(" · "),
    })),
    ...deliveries.map(({ id, status, event, matched }) => ({ kind: status, key: event, place: `#/events/${id}`, note: matched.value })),
  ].slice(0, MOST_SHOWN);
}

function named(text, found) {
  return found.filter(({ key }) => key.toLowerCase() === text.toLowerCase());
}

/** Leave out the refused deliveries that name the first subject: its page shows them. */
function withoutRefused([first, ...others]) {
  const isBesides = ({ place, note }) => !place.startsWith("#/events/") || note !== first.key;
  return first ? [first, ...others.filter(isBesides)] : [];
}

/** Offer the events whose names contain the text, and the failures of each: these are lists. */
async function eventsNamed(text) {
  if (text.length < 3) return [];
  const names = (await eventNames()).filter((name) => name.toLowerCase().includes(text.toLowerCase()));
  return names.slice(0, MOST_EVENTS).flatMap((event) => [
    { kind: "all", key: event, place: address("", { event }) },
    { kind: "failures of", key: event, place: address("", { event, status: FAILURES.join(",") }) },
  ]);
}

export function search(filter, signal) {
  const offers = h("ul", { id: "offers", class: "offers", role: "listbox", "aria-label": "Found", hidden: true });
  const input = h("input", {
    type: "search",
    value: filter.subject,
    placeholder: "Number, customer, reference, event …",
    "aria-label": "Search by number, customer, reference or event",
    autocomplete: "off",
    spellcheck: "false",
    role: "combobox",
    "aria-controls": "offers",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
  });
  let timer;
  let asked = 0;

  function show(found) {
    fill(
      offers,
      found.map(({ kind, key, place, note }, index) =>
        h(
          "li",
          {
            role: "option",
            id: `offer-${index}`,
            "aria-selected": "false",
            onmousedown: (event) => event.preventDefault(),
            onclick: () => go(place),
          },
          h("span", { class: "kind" }, kind),
          " ",
          key,
          note && [" ", h("span", { class: "note" }, note)],
        ),
      ),
    );
    offers.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    input.removeAttribute("aria-activedescendant");
  }

  function go(place) {
    show([]);
    location.hash = place;
  }

  function select(by) {
    const options = [...offers.children];
    const here = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    // upwards from none is the last one
    const from = here < 0 && by < 0 ? 0 : here;
    const next = options[(from + by + options.length) % options.length];
    for (const option of options) option.setAttribute("aria-selected", String(option === next));
    input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  }

  async function offer() {
    const text = input.value.trim();
    const turn = ++asked;
    const found = [...(await look(text)), ...(await eventsNamed(text))];
    if (turn === asked && document.activeElement === input) show(found);
  }

  async function look(text) {
    try {
      return DELIVERY_ID.test(text) ? [] : await having(text, signal);
    } catch {
      return []; // the page opened next reports a fault
    }
  }

  /** Go to what is meant: the number itself (of several the reader chooses), else the only one that has it, else the list of all that do. */
  async function enter() {
    const text = input.value.trim();
    clearTimeout(timer);
    asked += 1;
    const found = await look(text);
    if (signal.aborted) return;
    const same = named(text, found);
    const [listed] = found.length ? [] : await eventsNamed(text);
    if (signal.aborted) return;
    const meant = same.length ? same : listed ? [listed] : withoutRefused(found);
    show(same.length > 1 ? same : []);
    if (meant.length === 1) go(meant[0].place);
    else if (DELIVERY_ID.test(text)) location.hash = `#/events/${text.toLowerCase()}`;
    else if (!same.length) location.hash = `#/${query({ ...filter, subject: text })}`;
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(offer, 200);
  });
  input.addEventListener("blur", () => show([]));
  input.addEventListener("keydown", (event) => {
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !offers.hidden) {
      select(event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    } else if (event.key === "Escape") {
      if (offers.hidden) input.blur();
      else show([]);
      event.preventDefault();
    }
  });
  return h(
    "form",
    {
      class: "search",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        const option = offers.querySelector('[aria-selected="true"]');
        if (option) option.click();
        else enter();
      },
    },
    input,
    offers,
  );
}
