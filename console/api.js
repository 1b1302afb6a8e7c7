// Calls the JSON API. The key is kept in this tab's session storage, never on disk, and sent with every call.

const STORED = "printiq-key";

export const DELIVERY_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether this page comes from an app on this machine, to which printIQ cannot send. */
export const isLocal = () => /^(localhost|127\..*|\[::1\])$/.test(location.hostname);

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `The app returned HTTP ${status}.`);
    this.status = status;
    this.errors = document.errors ?? [];
  }
}

// Tabs of one browser session share the key by messages, which only pages of this app can send or read.
const tabs = new BroadcastChannel("printiq-console");
const BORROW_MS = 250;
const CALL_MS = 20_000;

export const key = {
  get: () => sessionStorage.getItem(STORED),
  set(value) {
    sessionStorage.setItem(STORED, value);
    tabs.postMessage({ key: value });
  },
  forget: () => sessionStorage.removeItem(STORED),
  /** Forget the key in every tab. */
  signOut() {
    key.forget();
    tabs.postMessage({ signedOut: true });
  },
  /** Ask the other tabs for the key, unless this one has it. */
  async borrow() {
    if (key.get()) return;
    tabs.postMessage({ wanted: true });
    const until = Date.now() + BORROW_MS;
    while (!key.get() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  },
};

tabs.addEventListener("message", ({ data }) => {
  if (data.wanted && key.get()) tabs.postMessage({ key: key.get() });
  else if (data.key && !key.get()) sessionStorage.setItem(STORED, data.key);
  else if (data.signedOut) {
    key.forget();
    location.reload();
  }
});

/** Whether an error may pass by itself: the app or its storage does not respond. */
export function mayPass(error) {
  return error instanceof TypeError || error.name === "TimeoutError" || error.status >= 500;
}

/** The text of an error, for the reader. */
export function explain(error) {
  if (error instanceof TypeError) return "The app does not respond.";
  if (error.name === "TimeoutError") return `The app has not responded for ${CALL_MS / 1000} seconds.`;
  return error.message;
}

/** Call a path under /api/. Throws Problem, TypeError where the app cannot be reached, and a TimeoutError. */
export async function ask(path, { method = "GET", body, signal, withKey = key.get() } = {}) {
  const limit = AbortSignal.timeout(CALL_MS);
  const headers = { Accept: "application/json" };
  if (withKey) headers["x-functions-key"] = withKey;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/api/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  if (!response.ok) throw new Problem(response.status, await explained(response));
  return response;
}

async function explained(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

export async function json(path, options) {
  return (await ask(path, options)).json();
}

let installation;

/** Return which printIQ this is of, and whether it is UAT or production: `{site, tier}`. Asks once. */
export function environment() {
  installation ??= installed();
  return installation;
}

async function installed() {
  try {
    return (await json(`stats${query({ from: new Date().toISOString() })}`)).environment;
  } catch (error) {
    installation = undefined; // it may be that the key is still to be entered
    throw error;
  }
}

/** Read a response that holds a payload. A number that JavaScript would write differently stays as written. */
export async function exact(path, options) {
  return JSON.parse(await (await ask(path, options)).text(), asWritten);
}

function asWritten(name, value, context) {
  const kept = typeof value === "number" && context && JSON.rawJSON && String(value) !== context.source;
  return kept ? JSON.rawJSON(context.source) : value;
}

/** Return a query string, without the members that are empty. */
export function query(members) {
  const given = Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
