// The request to the printIQ team, who set up destinations: this page writes it.

import { environment, isLocal, json } from "./api.js";
import { fill, h } from "./dom.js";

const PRESETS = {
  Everything: () => true,
  "Jobs and statuses": (event) => /Job|Status|Order|Acceptance|Consignment/.test(event) && !/^Fail|PO/.test(event),
  Quotes: (event) => /Quote/.test(event),
  Accounting: (event) => /Invoice|PurchaseOrder|POStatus|Customer/.test(event),
  None: () => false,
};

// They bypass printIQ's webhook queue and are probably not sent again: a folder waits, an address does not.
const SAFER_BY_FOLDER = ["CreateCustomer", "CreateCustomerContact", "CreateCustomerAddress"];

export async function connect(main, { signal }) {
  const { schemas } = await json("schemas", { signal });
  const text = h("textarea", { id: "request", readonly: true, rows: "24", spellcheck: "false", "aria-label": "The request" });
  const status = h("span", { role: "status", class: "hint" });
  const uat = field("uat", "Address of the app for UAT", "https://<YOUR-UAT-APP>.azurewebsites.net");
  const prod = field("prod", "Address of the app for production", "https://<YOUR-PROD-APP>.azurewebsites.net");
  const uatFolder = field("uat-folder", "Hot folder for UAT", "https://<ACCOUNT-UAT>.blob.core.windows.net/hot-folder");
  const prodFolder = field("prod-folder", "Hot folder for production", "https://<ACCOUNT>.blob.core.windows.net/hot-folder");
  const rows = schemas.map((schema) => choice(schema, write));
  const preset = ([name, wants]) => {
    const choose = () => {
      for (const { schema, chosen } of rows) chosen.checked = wants(schema.event);
      write();
    };
    return h("button", { type: "button", class: "quiet", onclick: choose }, name);
  };
  const presets = h("div", { class: "presets", role: "group", "aria-label": "Presets" }, Object.entries(PRESETS).map(preset));

  function write() {
    const chosen = rows.filter((row) => row.chosen.checked).map((row) => ({ ...row.schema, way: row.way.value }));
    text.value = chosen.length ? request(chosen, { uat, prod, uatFolder, prodFolder }) : "Choose events, or one of the presets above them. The request to printIQ appears here.";
    status.textContent = "";
  }

  for (const { input } of [uat, prod, uatFolder, prodFolder]) input.addEventListener("input", write);
  const which = isLocal() ? null : whichApp({ uat, prod }, write);
  fill(
    main,
    h("h1", {}, "Connect printIQ"),
    h("p", { class: "lead" }, "The printIQ team links each event to one address or folder, on request. Choose the events and send them this text. Send the keys separately; never enter them here."),
    h(
      "div",
      { class: "columns connect" },
      h(
        "section",
        { class: "card" },
        h("div", { class: "card-head" }, h("h2", {}, "Events"), presets),
        h("ul", { class: "choices" }, rows.map(({ element }) => element)),
        h("p", { class: "hint" }, "The three customer events are safer by folder: they bypass printIQ’s webhook queue, and are probably not retried if the app does not respond."),
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
          status,
          h(
            "button",
            {
              type: "button",
              class: "primary",
              onclick: async () => {
                try {
                  await navigator.clipboard.writeText(text.value);
                  status.textContent = "Copied.";
                } catch {
                  text.select();
                  status.textContent = "Selected: copy it with the keyboard.";
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

/** Offer to fill in this app's address, starting with the environment that it is set to (PRINTIQ_TIER), if any. */
function whichApp(apps, write) {
  const choose = () => {
    for (const [name, { input, unset }] of Object.entries(apps)) {
      if (name === select.value) input.value = location.origin;
      else if (input.value === location.origin) input.value = unset;
    }
    write();
  };
  const options = [["", "Choose, to fill in its address"], ["uat", "UAT"], ["prod", "production"]].map(([value, text]) => h("option", { value }, text));
  const select = h("select", { onchange: choose }, options);
  const preselect = ({ tier }) => {
    if (!tier || select.value) return;
    select.value = tier;
    choose();
  };
  environment().then(preselect, () => {}); // without a key the reader chooses
  return h("label", {}, h("span", {}, "This app is"), select);
}

function choice(schema, write) {
  const chosen = h("input", { type: "checkbox", onchange: write, "data-item": true });
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
    h("label", {}, chosen, h("span", {}, h("b", {}, schema.event), " ", h("span", { class: "note" }, `when ${schema.trigger}`))),
    way,
  );
  return { schema, chosen, way, element };
}

function request(chosen, { uat, prod, uatFolder, prodFolder }) {
  const clean = ({ input }) => input.value.trim().replace(/\/+$/, "");
  const part = (title, app, folder) => [
    title,
    "",
    ...chosen.map(({ event, format, way }) =>
      way === "webhook" ? `  ${event}: POST ${format} to ${app}/api/webhooks/${event}?code=<KEY>` : `  ${event}: write ${format} to ${folder}/${event}/`,
    ),
    "",
  ];
  const ways = new Set(chosen.map(({ way }) => way));
  return [
    "Hello printIQ team,",
    "",
    `please link ${chosen.length === 1 ? "this event" : `these ${chosen.length} events`} to our receiver: first in UAT and, once they arrive there, in production.`,
    "",
    ...part("UAT", clean(uat), clean(uatFolder)),
    ...part("Production", clean(prod), clean(prodFolder)),
    ...(ways.has("webhook") ? ["We send the value of <KEY> separately, one for each environment. A 2xx response confirms receipt."] : []),
    ...(ways.has("folder") ? ["We send the shared access signature of each folder separately. One folder for each event, please; file names are yours to choose."] : []),
    "Please let us know which addresses your servers send from, how long they wait for a response, and whether they retry.",
    "",
    "Thank you",
  ].join("\n");
}
