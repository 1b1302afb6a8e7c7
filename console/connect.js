// The request to printIQ: destinations are set up by the printIQ team, so this page writes to them.

import { json } from "./api.js";
import { fill, h } from "./dom.js";

// They bypass printIQ's webhook queue and are probably not sent again: a folder waits, an address does not.
const SAFER_BY_FOLDER = ["CreateCustomer", "CreateCustomerContact", "CreateCustomerAddress"];

// printIQ cannot send to these
const LOCAL = /^(localhost|127\..*|\[::1\])$/;

export async function connect(main, { signal }) {
  const { schemas } = await json("schemas", { signal });
  const text = h("textarea", { id: "request", readonly: true, rows: "24", spellcheck: "false", "aria-label": "The request" });
  const said = h("span", { role: "status", class: "hint" });
  const uat = field("uat", "Address of the app for UAT", "https://<YOUR-UAT-APP>.azurewebsites.net");
  const prod = field("prod", "Address of the app for production", "https://<YOUR-PROD-APP>.azurewebsites.net");
  const uatFolder = field("uat-folder", "Hot folder for UAT", "https://<ACCOUNT-UAT>.blob.core.windows.net/hot-folder");
  const prodFolder = field("prod-folder", "Hot folder for production", "https://<ACCOUNT>.blob.core.windows.net/hot-folder");
  const rows = schemas.map((schema) => choice(schema, write));
  const all = h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        const every = rows.every(({ chosen }) => chosen.checked);
        for (const { chosen } of rows) chosen.checked = !every;
        write();
      },
    },
    "All or none",
  );

  function write() {
    const chosen = rows.filter((row) => row.chosen.checked).map((row) => ({ ...row.schema, way: row.way.value }));
    text.value = chosen.length ? request(chosen, { uat, prod, uatFolder, prodFolder }) : "Choose at least one event.";
    said.textContent = "";
  }

  for (const { input } of [uat, prod, uatFolder, prodFolder]) input.addEventListener("input", write);
  const which = LOCAL.test(location.hostname) ? null : whichApp({ uat, prod }, write);
  fill(
    main,
    h("h1", {}, "Connect printIQ"),
    h("p", { class: "lead" }, "The printIQ team links each event to one address or folder, on request. Choose the events; the text is ready to send. Put the keys in only where they read them, never into this page."),
    h(
      "div",
      { class: "columns connect" },
      h(
        "section",
        { class: "card" },
        h("div", { class: "card-head" }, h("h2", {}, "Events"), all),
        h("ul", { class: "choices" }, rows.map(({ element }) => element)),
        h("p", { class: "hint" }, "The three customer events are safer by folder: they bypass printIQ’s webhook queue, and are probably not sent again if the app does not answer."),
      ),
      h(
        "section",
        { class: "card" },
        h("div", { class: "card-head" }, h("h2", {}, "Request")),
        h("div", { class: "fields" }, which, [uat, prod, uatFolder, prodFolder].map(({ element }) => element)),
        text,
        h(
          "p",
          { class: "buttons" },
          said,
          h(
            "button",
            {
              type: "button",
              class: "primary",
              onclick: async () => {
                try {
                  await navigator.clipboard.writeText(text.value);
                  said.textContent = "Copied.";
                } catch {
                  text.select();
                  said.textContent = "Selected: copy it with the keyboard.";
                }
              },
            },
            "Copy",
          ),
        ),
      ),
    ),
  );
  write();
}

function field(id, label, value) {
  const input = h("input", { id, type: "text", value, spellcheck: "false", autocomplete: "off" });
  return { input, unset: value, element: h("label", {}, h("span", {}, label), input) };
}

/** Ask which of the two this app is: it cannot know, and printIQ would send to the wrong one. */
function whichApp(apps, write) {
  const choose = ({ target }) => {
    for (const [name, { input, unset }] of Object.entries(apps)) {
      if (name === target.value) input.value = location.origin;
      else if (input.value === location.origin) input.value = unset;
    }
    write();
  };
  const options = [["", "Choose, to fill in its address"], ["uat", "UAT"], ["prod", "production"]].map(([value, text]) => h("option", { value }, text));
  return h("label", {}, h("span", {}, "This app is"), h("select", { onchange: choose }, options));
}

function choice(schema, write) {
  const chosen = h("input", { type: "checkbox", checked: true, onchange: write, "data-item": true });
  const folder = SAFER_BY_FOLDER.includes(schema.event);
  const way = h(
    "select",
    { onchange: write, "aria-label": `How ${schema.event} comes` },
    h("option", { value: "webhook", selected: !folder }, "webhook"),
    h("option", { value: "folder", selected: folder }, "folder"),
  );
  const element = h(
    "li",
    {},
    h("label", {}, chosen, " ", h("b", {}, schema.event), " ", h("span", { class: "note" }, `when ${schema.trigger}`)),
    way,
  );
  return { schema, chosen, way, element };
}

function request(chosen, { uat, prod, uatFolder, prodFolder }) {
  const clean = ({ input }) => input.value.trim().replace(/\/+$/, "");
  const part = (title, app, folder) => [
    title,
    "",
    ...chosen.flatMap(({ event, format, way }) => [
      `  ${event} (${format})`,
      way === "webhook" ? `    POST to ${app}/api/webhooks/${event}?code=<KEY>` : `    drop into ${folder}/${event}/`,
    ]),
    "",
  ];
  const ways = new Set(chosen.map(({ way }) => way));
  return [
    "Hello printIQ team,",
    "",
    `please link these ${chosen.length} events to our receiver, first in UAT; once they arrive there, in production.`,
    "",
    ...part("UAT", clean(uat), clean(uatFolder)),
    ...part("Production", clean(prod), clean(prodFolder)),
    ...(ways.has("webhook") ? ["We send the value of <KEY> separately, one for each environment. A 2xx answer confirms receipt."] : []),
    ...(ways.has("folder") ? ["We send the shared access signature of each folder separately. One folder for each event, please; file names are yours to choose."] : []),
    "Please tell us the addresses that your servers send from, how long they wait for an answer, and whether they send again when there is none.",
    "",
    "Thank you",
  ].join("\n");
}
