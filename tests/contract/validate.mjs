// Reads {schemas, asyncapi} from standard input; prints what Ajv, strict as by default, and AsyncAPI's own parser find.

import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(process.argv[2]);
const { Parser } = require("@asyncapi/parser");
const Ajv = require("ajv").default;
const Ajv2020 = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;

const { schemas, asyncapi, messages } = JSON.parse(await text(process.stdin));
const found = [];

for (const [dialect, Validator] of [["draft-07", Ajv], ["2020-12", Ajv2020]]) {
  const warn = (...words) => found.push(`${dialect}: ${words.join(" ")}`);
  const ajv = new Validator({ allErrors: true, logger: { log: warn, warn, error: warn } });
  addFormats(ajv);
  for (const [name, { $schema, ...schema }] of Object.entries(schemas)) {
    try {
      const validate = ajv.compile(dialect === "draft-07" ? { $schema, ...schema } : schema);
      for (const message of messages[name] ?? []) {
        if (!validate(message)) found.push(`${dialect}: ${name}: ${ajv.errorsText(validate.errors)}`);
      }
    } catch (error) {
      found.push(`${dialect}: ${name}: ${error.message}`);
    }
  }
}

const diagnostics = await new Parser().validate(JSON.stringify(asyncapi));
for (const { severity, code, message, path } of diagnostics) {
  if (severity < 2) found.push(`asyncapi: ${code} at ${path.join("/")}: ${message}`);
}
console.log(JSON.stringify(found));
