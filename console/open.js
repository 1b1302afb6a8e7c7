// What waits for a decision: quarantined or failed, neither replayed nor dismissed.

import { json, query } from "./api.js";
import { fill, h, refill } from "./dom.js";
import { list, olderButton } from "./list.js";

export async function open(main, { signal, report }) {
  const table = list({ caption: "Open, the newest first" });
  const end = h("p", { class: "end" });
  const further = olderButton(more, report);
  const rows = [];
  let cursor;

  async function more() {
    const page = await json(`deliveries${query({ open: true, limit: 50, cursor })}`, { signal });
    rows.push(...page.deliveries);
    cursor = page.cursor;
    table.show(rows);
    table.element.hidden = !rows.length;
    if (cursor) refill(end, further);
    else fill(end, rows.length ? "That is all there is." : "Nothing is open. What printIQ sent was understood and sent on.");
  }

  fill(
    main,
    h("h1", {}, "Open"),
    h("p", { class: "lead" }, "These could not be read, or could not be sent on. Their bytes are kept. Read one, then replay it, replay it as another event, or dismiss it."),
    table.element,
    end,
  );
  await more();
}
