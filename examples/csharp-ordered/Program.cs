// The status of each job, from a Service Bus queue with sessions, or from a topic's subscription. Usage: JobBoard
using Azure.Identity;
using Azure.Messaging;
using Azure.Messaging.ServiceBus;
using PrintIQ;

var bus = Environment.GetEnvironmentVariable("SERVICE_BUS") ?? throw new InvalidOperationException(
    "Set SERVICE_BUS to the namespace: <SERVICE_BUS_NAME>.servicebus.windows.net");
var entity = Environment.GetEnvironmentVariable("ENTITY") ?? "job-status";
var board = new Board(Environment.GetEnvironmentVariable("BOARD") ?? "board.sqlite");
board.Create();

var options = new ServiceBusSessionProcessorOptions
{
    MaxConcurrentSessions = 8,        // that many subjects at a time
    MaxConcurrentCallsPerSession = 1, // and one event at a time of each: that is the order
};
await using var client = new ServiceBusClient(bus, new DefaultAzureCredential());
await using var processor = entity.Split('/') is [var topic, var subscription]
    ? client.CreateSessionProcessor(topic, subscription, options)
    : client.CreateSessionProcessor(entity, options);
processor.ProcessMessageAsync += Handle;
processor.ProcessErrorAsync += args =>
{
    Console.Error.WriteLine($"{args.ErrorSource} on {args.EntityPath}: {args.Exception.Message}");
    return Task.CompletedTask;
};
await processor.StartProcessingAsync();
var stopped = new TaskCompletionSource();
Console.CancelKeyPress += (_, args) =>
{
    args.Cancel = true;
    stopped.TrySetResult();
};
await stopped.Task;
await processor.StopProcessingAsync(); // what is being handled ends first

// The processor completes a message whose handler returns, and abandons one whose handler throws: it is next in its
// session again at once. After ten deliveries the broker moves it to the dead-letter queue, and the session goes on.
async Task Handle(ProcessSessionMessageEventArgs args)
{
    var message = args.Message;
    CloudEvent e;
    try
    {
        e = CloudEvent.Parse(message.Body) ?? throw new ArgumentException("an empty message");
    }
    catch (Exception error) when (error is ArgumentException or System.Text.Json.JsonException)
    {
        await args.DeadLetterMessageAsync(message, "not a CloudEvent", error.Message); // no further try would do better
        return;
    }
    try
    {
        Show(e);
    }
    catch (Exception error)
    {
        Console.Error.WriteLine($"Try {message.DeliveryCount} of {message.MessageId} failed: {error.Message}");
        // Only this session waits. Without a pause the ten deliveries would be over before a database is back.
        await Task.Delay(TimeSpan.FromSeconds(Math.Min(60, Math.Pow(2, message.DeliveryCount))), args.CancellationToken);
        throw;
    }
}

void Show(CloudEvent e)
{
    // Another event, a duplicate, or an event without a status: not ours, and no error.
    if (e.Subject is null || e.ExtensionAttributes.ContainsKey("duplicateof")) return;
    if (Text(e, "status") is not { } status || Text(e, "kind") is not { } kind || Text(e, "sequence") is not { } sequence) return;
    var shown = board.Show(kind, e.Subject, status, e.Type, sequence);
    Console.WriteLine($"{kind} {e.Subject}: {(shown ? status : $"{status} is older than what is shown")}");
}

static string? Text(CloudEvent e, string name) => e.ExtensionAttributes.TryGetValue(name, out var value) ? value as string : null;
