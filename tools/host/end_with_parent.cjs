// Ends Azurite gently, as Ctrl-C would, once the process that started it closes the pipe or dies.
function end() {
  // Azurite listens for the signal only when it has started.
  if (!process.emit("SIGINT")) setTimeout(end, 100).unref();
}
process.stdin.resume().once("end", end).once("error", end);
process.stdin.unref(); // watching must not keep an Azurite alive that ends for another reason
