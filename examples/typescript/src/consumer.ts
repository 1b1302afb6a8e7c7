// Events from a result queue into a database. Usage: npm start -- [--once]
import { mkdirSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DefaultAzureCredential } from "@azure/identity";
import { BlobServiceClient } from "@azure/storage-blob";
import { QueueServiceClient, type DequeuedMessageItem } from "@azure/storage-queue";
import { exact, read, Unreadable, type Invoice, type Known, type Whole } from "./message.ts";

const MAX_TRIES = 5;
const LEASE_SECONDS = 300;
// The storage of `python3 dev.py run`, or the name of an account, or a connection string.
const storage = process.env["PRINTIQ_STORAGE"] ?? "UseDevelopmentStorage=true";
const name = process.env["PRINTIQ_QUEUE"] ?? "printiq-events";
const once = process.argv.includes("--once");

const identity = storage.includes("=") ? undefined : new DefaultAzureCredential();
const queues = identity
  ? new QueueServiceClient(`https://${storage}.queue.core.windows.net`, identity)
  : QueueServiceClient.fromConnectionString(storage);
const blobs = identity
  ? new BlobServiceClient(`https://${storage}.blob.core.windows.net`, identity)
  : BlobServiceClient.fromConnectionString(storage);
const queue = queues.getQueueClient(name);
const poison = queues.getQueueClient(`${name}-poison`);

const folder = process.env["STATE"] ?? ".state";
mkdirSync(folder, { recursive: true });
const state = new DatabaseSync(`${folder}/state.sqlite`);
state.exec("CREATE TABLE IF NOT EXISTS handled (delivery TEXT PRIMARY KEY)");
state.exec(
  "CREATE TABLE IF NOT EXISTS latest (kind TEXT, subject TEXT, sequence TEXT NOT NULL, what TEXT NOT NULL," +
    " PRIMARY KEY (kind, subject))",
);

function describe(event: Whole): string {
  switch (event.type) {
    case "com.printiq.ExportInvoice":
      check(event.data);
      return `invoice of ${event.data.INVInvoiceTotal} ${event.data.CurCode}, ${event.data.InvoiceDetails.length} lines`;
    case "com.printiq.CreateQuote":
      return `quote ${event.data.QuoteNo}`;
  }
}

/** Refuse what does not add up, rather than write it. */
function check(invoice: Invoice): void {
  const net = exact(invoice.INVInvoiceSubTotal);
  const lines = invoice.InvoiceDetails.reduce((sum, line) => sum + exact(line.IDTPrice_ForeignAmount), 0n);
  if (net + exact(invoice.INVInvoiceGST) !== exact(invoice.INVInvoiceTotal) || lines !== net) {
    throw new Unreadable(`invoice ${invoice.INVInvoiceNumber} does not add up`);
  }
}

/** Do the work. The delivery's id goes into the same transaction, so the work is done once. */
function handle(event: Whole): void {
  const what = describe(event);
  state.exec("BEGIN IMMEDIATE");
  try {
    // A queue has no order: an older event changes nothing. A replay is as old as its original.
    const { changes } = state
      .prepare(
        "INSERT INTO latest VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence, what = excluded.what" +
          " WHERE sequence <= excluded.sequence",
      )
      .run(event.kind, event.subject ?? event.id, event.sequence, what);
    state.prepare("INSERT INTO handled VALUES (?)").run(event.delivery);
    state.exec("COMMIT");
    console.log(`${event.subject}: ${changes ? what : "older than what is known"}`);
  } catch (error) {
    state.exec("ROLLBACK");
    throw error;
  }
}

async function take(message: DequeuedMessageItem): Promise<void> {
  const event = read(message.messageText);
  // a duplicate's original was, or will be, handled
  if (event === undefined || event.duplicateof !== undefined) return;
  if (state.prepare("SELECT 1 FROM handled WHERE delivery = ?").get(event.delivery) !== undefined) return;
  handle(await withData(event));
}

async function withData(event: Known): Promise<Whole> {
  if (event.data !== undefined) return event as Whole;
  if (event.dataref === undefined) throw new Unreadable("neither data nor dataref");
  // By its name, from the archive that we know: a message can name any host; our token goes to none.
  const [, name = ""] = /\/archive\/(.*)/s.exec(decodeURIComponent(new URL(event.dataref).pathname)) ?? [];
  const bytes = await blobs.getContainerClient("archive").getBlobClient(name).downloadToBuffer();
  return { ...event, data: JSON.parse(bytes.toString("utf8")) } as Whole;
}

async function setAside(message: DequeuedMessageItem, why: string): Promise<void> {
  console.error(`Set aside in ${poison.name}: ${why}`);
  await poison.createIfNotExists();
  await poison.sendMessage(message.messageText, { messageTimeToLive: -1 }); // the default is seven days
}

async function receive(): Promise<DequeuedMessageItem[]> {
  try {
    return (await queue.receiveMessages({ numberOfMessages: 16, visibilityTimeout: LEASE_SECONDS })).receivedMessageItems;
  } catch (error) {
    if (isNotFound(error)) return []; // the app makes the queue with the first event
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return typeof error === "object" && error !== null && "statusCode" in error && error.statusCode === 404;
}

for (;;) {
  const messages = await receive();
  for (const message of messages) {
    try {
      await take(message);
    } catch (error) {
      const reason = error instanceof Error ? error.message || error.name : String(error);
      if (!(error instanceof Unreadable) && message.dequeueCount < MAX_TRIES) {
        console.error(`Try ${message.dequeueCount} failed, it comes again: ${reason}`);
        continue; // not deleted
      }
      await setAside(message, reason);
    }
    try {
      await queue.deleteMessage(message.messageId, message.popReceipt);
    } catch (error) {
      if (!isNotFound(error)) throw error; // its lease ended: it comes back, and is known
    }
  }
  if (messages.length === 0 && once) break;
  if (messages.length === 0) await new Promise((resolve) => setTimeout(resolve, 2000));
}
