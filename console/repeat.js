// Work that is done again and again while its page is shown.

/** Call now, unless that is done, and then again and again while the page is seen and `wanted()`; report what fails. */
export async function repeat(work, every, { signal, report, wanted = () => true, begun = false }) {
  const turn = async () => {
    try {
      await work();
      document.getElementById("trouble").hidden = true;
    } catch (error) {
      if (!signal.aborted) report(error, { again: true });
    }
  };
  if (!begun) await turn();
  if (signal.aborted) return;
  let busy = false;
  const timer = setInterval(async () => {
    if (busy || document.hidden || !wanted()) return;
    busy = true;
    await turn();
    busy = false;
  }, every);
  signal.addEventListener("abort", () => clearInterval(timer));
}
