// Makes elements. Text is always text: neither this module nor its users parse HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `h("a", { href: "#/", onclick: f }, "text", child)`. */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** Make an element of a drawing. */
export function s(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
}

/** Replace the children. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

const TAKES_FOCUS = "a[href], button, input, select, textarea, summary, [tabindex]";

/** Replace the children, and return the focus to the element that matches the one that had it. */
export function refill(element, ...children) {
  const focused = document.activeElement;
  const named = (each) => each.title || each.getAttribute("href") || each.textContent;
  const name = named(focused);
  const alike = () => [...element.querySelectorAll(TAKES_FOCUS)].filter((each) => named(each) === name);
  const place = alike().indexOf(focused);
  fill(element, ...children);
  if (place >= 0) alike()[place]?.focus({ preventScroll: true });
  return element;
}

/** How an hour is written: as 09 where a day has 24, as 9 where it has twice 12. */
export const HOUR = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12 ? "numeric" : "2-digit";
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: HOUR, minute: "2-digit" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: HOUR, minute: "2-digit", second: "2-digit" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat();
/** The name of the time zone in which every time is shown and entered. */
export const ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Show a moment in the reader's time zone; without the day if it is today. */
export function moment(iso, { whole = false } = {}) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  const text = (whole ? WHOLE : today ? TIME : DAY_AND_TIME).format(date);
  return h("time", { datetime: iso, title: `${WHOLE.format(date)} ${ZONE} (${iso})` }, text);
}

export function number(value) {
  return NUMBER.format(value);
}

export function bytes(size) {
  if (size < 1024) return `${number(size)} bytes`;
  if (size < 1024 * 1024) return `${number(Math.round(size / 102.4) / 10)} KiB`;
  return `${number(Math.round(size / 104857.6) / 10)} MiB`;
}

/** Write a duration: "3 min". */
export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${number(Math.round(seconds))} s`;
  if (seconds < 7200) return `${number(Math.round(seconds / 60))} min`;
  if (seconds < 172800) return `${number(Math.round(seconds / 3600))} h`;
  return `${number(Math.round(seconds / 86400))} days`;
}

export function badge(status, text = status) {
  return h("span", { class: `badge ${status}` }, text);
}

export function subjectPlace(kind, key) {
  return `#/subjects/${encodeURIComponent(kind)}/${encodeURIComponent(key)}`;
}

export function subjectLink(kind, key) {
  return h("a", { href: subjectPlace(kind, key) }, key);
}

export function subscriptionPlace(name) {
  return `#/subscriptions/${encodeURIComponent(name)}`;
}

/** Save bytes as a file, without ever opening them here. */
export function save(blob, name) {
  const address = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
