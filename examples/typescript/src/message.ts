// A result message: `type` names the event, and so decides what `data` holds. Amounts are decimal strings.

export interface InvoiceLine {
  IDTDescription: string | null;
  /** The amount of the whole line, without tax. */
  IDTPrice_ForeignAmount: string | null;
}

export interface Invoice {
  INVInvoiceNumber: string | null;
  INVInvoiceSubTotal: string | null;
  INVInvoiceGST: string | null;
  INVInvoiceTotal: string | null;
  CurCode: string | null;
  InvoiceDetails: InvoiceLine[];
}

export interface Quote {
  QuoteNo: string | null;
}

interface Message<Type extends string, Data> {
  specversion: "1.0";
  id: string;
  /** This delivery's own id: a replay keeps `id` and `sequence`, but has its own `delivery`. */
  delivery: string;
  /** Of two events of a subject the later has the greater one, compared as text. */
  sequence: string;
  type: `com.printiq.${Type}`;
  kind: string;
  subject?: string;
  duplicateof?: string;
  replayof?: string;
  dataref?: string;
  /** Missing if `dataref` names it. */
  data?: Data;
}

export type Known = Message<"ExportInvoice", Invoice> | Message<"CreateQuote", Quote>;

/** A known message with its data in place. */
type WithData<Each> = Each extends { data?: infer Data } ? Omit<Each, "data"> & { data: Data } : never;
export type Whole = WithData<Known>;

const known: readonly string[] = ["com.printiq.ExportInvoice", "com.printiq.CreateQuote"] satisfies Known["type"][];

/** The reason why a message can never be handled. */
export class Unreadable extends Error {}

/** Return undefined for an event that this consumer does not know, which is no error: new ones may appear. */
export function read(base64: string): Known | undefined {
  let message: unknown;
  try {
    const bytes = Buffer.from(base64, "base64");
    message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Unreadable("not base64 of JSON", { cause: error });
  }
  if (!isMessage(message)) throw new Unreadable("no event of printIQ");
  return known.includes(message.type) ? (message as Known) : undefined;
}

function isMessage(value: unknown): value is Record<"id" | "type" | "sequence" | "delivery", string> {
  const attributes = ["id", "type", "sequence", "delivery"];
  return (
    typeof value === "object" && value !== null &&
    attributes.every((name) => typeof (value as Record<string, unknown>)[name] === "string")
  );
}

/** Return an amount such as "1284.5" in ten-thousandths, exactly, which a number could not hold. */
export function exact(amount: string | null): bigint {
  const found = /^(-?)([0-9]+)(?:\.([0-9]{1,4}))?$/.exec(amount ?? "");
  if (!found) throw new Unreadable(`${amount} is no amount of at most four decimals`);
  const [, sign, whole = "", part = ""] = found;
  return BigInt(`${sign}${whole}${part.padEnd(4, "0")}`);
}
