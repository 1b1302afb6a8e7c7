// Ends Azurite gently, as Ctrl-C would, once the process that started it closes the pipe or dies.
const end = () => process.emit("SIGINT");
process.stdin.resume().once("end", end).once("error", end);
process.stdin.unref(); // watching must not keep an Azurite alive that ends for another reason
