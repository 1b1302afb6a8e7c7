// Has Azurite save its data only when it ends. Every five seconds, as it does by itself, it stops for seconds
// once its tables hold thousands of rows.
const { setInterval } = globalThis;
globalThis.setInterval = (work, ...rest) =>
  work.name === "autosaveHandleInterval" ? undefined : setInterval(work, ...rest);
