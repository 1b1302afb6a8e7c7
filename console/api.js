// Asks the JSON API. The key is kept for the browser session and sent with every question.

const STORED = "printiq-key";

export const DELIVERY_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `The app answered ${status}.`);
    this.status = status;
    this.errors = document.errors ?? [];
  }
}

export const key = {
  get: () => sessionStorage.getItem(STORED),
  set: (value) => sessionStorage.setItem(STORED, value),
  forget: () => sessionStorage.removeItem(STORED),
};

/** Ask for a path under /api/. Throws Problem, and TypeError where the app cannot be reached. */
export async function ask(path, { method = "GET", body, signal, withKey = key.get() } = {}) {
  const headers = { Accept: "application/json" };
  if (withKey) headers["x-functions-key"] = withKey;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/api/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
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

/** Read an answer that holds a payload: a number that JavaScript would write otherwise stays as it is written. */
export async function exact(path, options) {
  return JSON.parse(await (await ask(path, options)).text(), asWritten);
}

function asWritten(name, value, context) {
  const kept = typeof value === "number" && context && JSON.rawJSON && String(value) !== context.source;
  return kept ? JSON.rawJSON(context.source) : value;
}

/** Write a query string of what is given. */
export function query(members) {
  const given = Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
