// The page of an empty system: what to do first.

import { key } from "./api.js";
import { h } from "./dom.js";

export function start() {
  const address = `${location.origin}/api/webhooks/CreateQuote`;
  // a page that needs no key shows a system that needs none
  const withKey = key.get() ? "-H 'x-functions-key: <KEY>' " : "";
  return h(
    "div",
    { class: "start" },
    h("h2", {}, "No events yet"),
    h("p", {}, "The app is ready. Send it a first event: it appears here by itself."),
    h(
      "ol",
      {},
      h(
        "li",
        {},
        h("h3", {}, "Try it with a sample"),
        h("p", {}, "On your machine, in the project’s folder (on Windows ", h("code", {}, "py"), " for ", h("code", {}, "python3"), "):"),
        h("pre", {}, "python3 dev.py send CreateQuote"),
        h("p", {}, "Or from anywhere:"),
        h("pre", {}, `curl ${withKey}-d '{"QuoteNo": "Q000001v1"}' ${address}`),
      ),
      h(
        "li",
        {},
        h("h3", {}, "Connect printIQ"),
        h("p", {}, "The printIQ team links each event to an address or a folder, on request. ", h("a", { href: "#/connect" }, "Write the request"), "."),
      ),
      h(
        "li",
        {},
        h("h3", {}, "Read the results"),
        h("p", {}, "Each event goes on as a CloudEvents message to its ", h("a", { href: "#/subscriptions" }, "subscriptions"), ". The queue ", h("code", {}, "printiq-events"), " gets them all."),
      ),
    ),
  );
}
