// Payloads as text: the received one with its problems marked, the normalised one with what was changed marked.

import { copy } from "./actions.js";
import { h } from "./dom.js";

const LONGEST_SHOWN = 200_000;
const LONGEST_VALUE = 600;

// Names, texts, numbers and words of JSON; tags, attributes and texts of XML.
const JSON_TOKENS = /("(?:[^"\\\n]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;
const XML_TOKENS = /(<[/?!]?[\w:.-]+|\/?>|\?>)|([\w:.-]+)(=)("[^"]*"|'[^']*')/g;

/** Colour a piece of text by the form of the document that it is from. */
function coloured(text, isXml) {
  const parts = [];
  let at = 0;
  const add = (name, piece, index) => {
    parts.push(text.slice(at, index), name ? h("span", { class: name }, piece) : piece);
    at = index + piece.length;
  };
  for (const found of text.matchAll(isXml ? XML_TOKENS : JSON_TOKENS)) {
    if (isXml) {
      const [whole, tag, , , value] = found;
      if (tag) add("name", tag, found.index);
      else add("string", value, found.index + whole.length - value.length);
    } else {
      const [, string, colon, number, word] = found;
      add(colon ? "name" : string ? "string" : number ? "number" : "boolean", string ?? number ?? word, found.index);
    }
  }
  parts.push(text.slice(at));
  return parts;
}

/** Show lines with their numbers; they are not part of what is selected or copied. */
function numbered(parts) {
  const lines = [[]];
  for (const part of parts.flat(Infinity).filter((each) => each !== false && each !== null && each !== undefined)) {
    if (typeof part !== "string") {
      lines.at(-1).push(part);
      continue;
    }
    part.split("\n").forEach((text, index) => (index ? lines.push([text]) : lines.at(-1).push(text)));
  }
  return h("pre", { tabindex: "0" }, lines.map((line, index) => h("span", { class: "line" }, line, index < lines.length - 1 && "\n")));
}

/** Buttons that copy a pane's text and turn wrapping on or off. */
export function tools(pane, status) {
  const wrap = h("button", { type: "button", class: "quiet", "aria-pressed": "true", onclick: () => wrap.setAttribute("aria-pressed", String(!pane.classList.toggle("unwrapped"))) }, "Wrap");
  return [wrap, h("button", { type: "button", class: "quiet", onclick: () => copy(pane.querySelector("pre")?.textContent ?? "", status) }, "Copy")];
}

/** Show text with places marked: `marks` are offsets with a message each. */
export function marked(text, marks) {
  const isXml = /^\s*</.test(text);
  const shown = text.slice(0, LONGEST_SHOWN);
  const parts = [];
  let at = 0;
  for (const { start, end, message } of [...marks].sort((one, other) => one.start - other.start)) {
    if (start < at || start > shown.length) continue;
    parts.push(coloured(shown.slice(at, start), isXml), h("mark", { title: message, tabindex: "0" }, shown.slice(start, end) || "⏎"));
    at = end;
  }
  parts.push(coloured(shown.slice(at), isXml));
  if (text.length > LONGEST_SHOWN) parts.push(h("span", { class: "cut" }, `\n… ${text.length - LONGEST_SHOWN} more characters: download it to see them`));
  return numbered(parts);
}

/** Find where in a received document the problems are: by line and column, else by the names of the pointer. */
export function places(text, findings) {
  return findings
    .map(({ pointer, message }) => ({ ...(byLine(text, message) ?? byPointer(text, pointer)), message }))
    .filter(({ start }) => start !== undefined);
}

function byLine(text, message) {
  const found = /\(?line (\d+),? column (\d+)/.exec(message);
  if (!found) return null;
  let start = 0;
  for (let line = 1; line < Number(found[1]); line += 1) {
    const next = text.indexOf("\n", start);
    if (next < 0) return null;
    start = next + 1;
  }
  start = Math.min(start + Math.max(0, Number(found[2]) - 1), Math.max(0, text.length - 1));
  // a parser stops behind what it minds: the name or value before a space is meant
  const before = /"[^"\n]*"\s*:?$/.exec(text.slice(Math.max(0, start - 200), start));
  if (/\s/.test(text[start]) && before) return { start: start - before[0].length, end: start };
  const word = /^[\w.-]+|^[\s\S]?/.exec(text.slice(start, start + 60))[0];
  return { start, end: start + Math.max(1, word.length) };
}

/** Follow the names of a JSON Pointer through the text, each behind the one before. */
function byPointer(text, pointer) {
  const names = pointer.split("/").slice(1).map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  let place;
  let from = 0;
  for (const name of names) {
    if (/^\d+$/.test(name)) continue;
    const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pattern = new RegExp(`"${escaped}"\\s*:|<(?:\\w+:)?${escaped}[\\s/>]`, "gi");
    pattern.lastIndex = from;
    const found = pattern.exec(text);
    if (!found) return place ?? {};
    place = { start: found.index, end: found.index + found[0].trimEnd().length };
    from = found.index + 1;
  }
  return place ?? {};
}

/** Lay out a JSON value. Fields that `findings` point at are marked, and values not written so in `received`. */
export function laidOut(value, findings = [], received = "") {
  const messages = new Map(findings.map(({ pointer, message }) => [pointer, message]));
  return numbered(part(value, "", "", { messages, has: textsOf(received) }));
}

/** Return a test of whether a received document has a text as a value; of XML, whether it has it anywhere. */
function textsOf(received) {
  if (!received) return () => true;
  let root;
  try {
    root = JSON.parse(received);
  } catch {
    return (text) => received.includes(text);
  }
  const texts = new Set();
  const collect = (value) => {
    if (typeof value === "string") texts.add(value);
    else if (value && typeof value === "object") Object.values(value).forEach(collect);
  };
  collect(root);
  return (text) => texts.has(text);
}

// a number that is kept as it is written is an object, for JavaScript
const isNumber = (value) => typeof value === "number" || JSON.isRawJSON?.(value);

function part(value, pointer, indent, marks) {
  if (value === null || typeof value !== "object" || isNumber(value)) return [scalar(value, marks, pointer)];
  const isList = Array.isArray(value);
  const entries = isList ? value.map((item, index) => [index, item]) : Object.entries(value);
  const [first, last] = isList ? "[]" : "{}";
  if (!entries.length) return [first + last];
  const inner = `${indent}  `;
  return [
    first,
    entries.map(([name, item], index) => {
      const place = `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const label = isList ? [] : [h("span", { class: item === null ? "name none" : "name" }, JSON.stringify(name)), ": "];
      return ["\n", inner, label, part(item, place, inner, marks), index < entries.length - 1 ? "," : ""];
    }),
    "\n",
    indent,
    last,
  ];
}

function scalar(value, { messages, has }, pointer) {
  const message = messages.get(pointer);
  let text = JSON.stringify(value);
  const changed = typeof value === "string" && !has(value);
  if (text.length > LONGEST_VALUE) text = `${text.slice(0, 80)}… ${text.length - 2} characters"`;
  if (message) return h("mark", { title: message, tabindex: "0" }, text);
  if (changed) return h("span", { class: "string changed", title: "Normalised: the received payload writes it differently." }, text);
  return h("span", { class: value === null ? "none" : isNumber(value) ? "number" : typeof value }, text);
}
