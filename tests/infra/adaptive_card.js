// Reads an Adaptive Card from standard input; writes what Microsoft's renderer finds wrong in it.
// Arguments: the folder of the npm package adaptivecards.
const path = require("node:path");
const [, , folder] = process.argv;
const { AdaptiveCard, SerializationContext } = require(path.join(folder, "dist", "adaptivecards.js"));

const context = new SerializationContext();
const card = new AdaptiveCard();
card.parse(JSON.parse(require("node:fs").readFileSync(0, "utf8")), context);
const parsed = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message);
console.log(JSON.stringify([...parsed, ...card.validateProperties().validationEvents.map((event) => event.message)]));
