// Invoices from a result queue into a ledger. Usage: Ledger [--once]
using System.Text.Json;
using Azure;
using Azure.Identity;
using Azure.Messaging;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using PrintIQ;

const int MaxTries = 5;
var lease = TimeSpan.FromMinutes(5);
var storage = Environment.GetEnvironmentVariable("PRINTIQ_STORAGE") ?? "UseDevelopmentStorage=true";
var name = Environment.GetEnvironmentVariable("PRINTIQ_QUEUE") ?? "printiq-events";
var once = args.Contains("--once");

// Messages are base64, decoded below: with QueueMessageEncoding.Base64, a single message that is not would make
// ReceiveMessages throw every time, and hold up all others.
var queue = Queue(name);
var aside = Queue($"{name}-poison");
var blobs = storage.Contains('=')
    ? new BlobServiceClient(storage)
    : new BlobServiceClient(new Uri($"https://{storage}.blob.core.windows.net"), new DefaultAzureCredential());
using var ledger = new LedgerTable(Environment.GetEnvironmentVariable("LEDGER") ?? "ledger.sqlite");

while (true)
{
    QueueMessage[] messages;
    try
    {
        messages = (await queue.ReceiveMessagesAsync(maxMessages: 16, visibilityTimeout: lease)).Value;
    }
    catch (RequestFailedException error) when (error.ErrorCode == QueueErrorCode.QueueNotFound)
    {
        messages = []; // the app makes the queue with the first event
    }
    foreach (var message in messages)
    {
        try
        {
            await Handle(message);
        }
        catch (NotBookable error)
        {
            await SetAside(message, error.Message); // no further try would do better
        }
        catch (Exception error) when (message.DequeueCount < MaxTries)
        {
            Console.Error.WriteLine($"Try {message.DequeueCount} failed, it comes again: {error.Message}");
            continue; // not deleted
        }
        catch (Exception error)
        {
            await SetAside(message, error.Message);
        }
        await Delete(message);
    }
    if (messages.Length == 0 && once) break;
    if (messages.Length == 0) await Task.Delay(TimeSpan.FromSeconds(2));
}
foreach (var line in ledger.Totals()) Console.WriteLine(line);

async Task Handle(QueueMessage message)
{
    CloudEvent e;
    try
    {
        var json = Convert.FromBase64String(message.Body.ToString());
        e = CloudEvent.Parse(BinaryData.FromBytes(json)) ?? throw new NotBookable("an empty message");
    }
    catch (Exception error) when (error is FormatException or JsonException or ArgumentException)
    {
        throw new NotBookable("not base64 of a CloudEvent", error);
    }
    if (e.Type != "com.printiq.ExportInvoice") return;          // another event: skipped, no error
    if (e.ExtensionAttributes.ContainsKey("duplicateof")) return; // its original was, or will be, handled
    // A replay keeps the id and the sequence of what it replays, and has a delivery of its own: so it is handled again.
    if (!e.ExtensionAttributes.TryGetValue("delivery", out var given) || given is not string delivery)
        throw new NotBookable("no delivery: not an event of printIQ");
    if (!e.ExtensionAttributes.TryGetValue("sequence", out var order) || order is not string sequence)
        throw new NotBookable("no sequence: not an event of printIQ");
    if (ledger.Handled(delivery)) return;
    var invoice = Booking.Read(await Data(e));
    var booked = ledger.Book(delivery, e.Subject ?? e.Id, sequence, invoice);
    Console.WriteLine($"{e.Subject}: {(booked ? "booked" : "older than what is booked")}");
}

async Task<JsonElement> Data(CloudEvent e)
{
    if (e.Data is not null) return JsonDocument.Parse(e.Data).RootElement;
    var address = e.ExtensionAttributes.TryGetValue("dataref", out var given) && given is string text
        ? new BlobUriBuilder(new Uri(text))
        : throw new NotBookable("neither data nor dataref");
    // By its name, from the archive that we know: a message can name any host; our token goes to none.
    var blob = blobs.GetBlobContainerClient("archive").GetBlobClient(address.BlobName);
    return JsonDocument.Parse((await blob.DownloadContentAsync()).Value.Content).RootElement;
}

QueueClient Queue(string called) => storage.Contains('=')
    ? new QueueClient(storage, called)
    : new QueueClient(new Uri($"https://{storage}.queue.core.windows.net/{called}"), new DefaultAzureCredential());

async Task SetAside(QueueMessage message, string why)
{
    Console.Error.WriteLine($"Set aside in {aside.Name}: {why}");
    await aside.CreateIfNotExistsAsync();
    await aside.SendMessageAsync(message.Body, timeToLive: TimeSpan.FromSeconds(-1)); // the default is seven days
}

async Task Delete(QueueMessage message)
{
    try
    {
        await queue.DeleteMessageAsync(message.MessageId, message.PopReceipt);
    }
    catch (RequestFailedException error) when (error.Status == 404)
    {
        // its lease ended: it comes back, and is known
    }
}
