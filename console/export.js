// A filtered list as a file: CSV for a spreadsheet, NDJSON for a program, a zip with the bodies as received.

import { ask, query } from "./api.js";
import { h, save } from "./dom.js";

const FORMATS = { csv: "CSV, for a spreadsheet", ndjson: "NDJSON, for a program", zip: "Zip, with the bodies as received" };

/** Build the menu; `parameters()` returns the API's parameters of the list shown, or a list of them. */
export function exporter(parameters, report, title = "Export") {
  const menu = h("details", { class: "menu export", name: "filter" }, h("summary", {}, title));
  const status = h("p", { class: "hint", role: "status" });
  const take = async (format) => {
    try {
      let part = 1;
      for (const asked of [parameters()].flat()) {
        let cursor = "";
        do {
          status.textContent = part > 1 ? `Downloading part ${part} …` : "Downloading …";
          const response = await ask(`export${query({ ...asked, format, cursor })}`);
          const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? `printiq.${format}`;
          save(await response.blob(), part > 1 ? named.replace(/\.(\w+)$/, `-${part}.$1`) : named);
          const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
          cursor = next ? new URL(next).searchParams.get("cursor") : "";
          part += 1;
        } while (cursor);
      }
      status.textContent = "Done.";
      menu.open = false;
    } catch (error) {
      status.textContent = "";
      report(error);
    }
  };
  menu.append(
    h("fieldset", {}, h("legend", { class: "unseen" }, "Export as"), Object.entries(FORMATS).map(([format, text]) => h("button", { type: "button", class: "quiet", onclick: () => take(format) }, text)), status),
  );
  return menu;
}
