// Ends Azurite gently, as Ctrl-C would, once the process that started it closes the pipe or dies.
process.stdin.resume();
process.stdin.once("end", () => process.emit("SIGINT"));
process.stdin.once("error", () => process.emit("SIGINT"));
