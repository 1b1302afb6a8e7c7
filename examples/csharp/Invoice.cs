using System.Text.Json;
using System.Text.Json.Serialization;

namespace PrintIQ;

/// <summary>The part of ExportInvoice's data that a ledger needs. Amounts are decimal strings on the wire.</summary>
public sealed record Invoice
{
    public long? INVID { get; init; }
    public string? INVInvoiceNumber { get; init; }
    public string? INVInvoiceDate { get; init; }
    public string? INVInvoiceDueDate { get; init; }
    public string? BillingCusCode { get; init; }
    public string? BillingCusName { get; init; }
    public string? INVInvoiceReference { get; init; }
    public bool? IsCreditNote { get; init; }
    public decimal? INVInvoiceSubTotal { get; init; }
    public decimal? INVInvoiceGST { get; init; }
    public decimal? INVInvoiceTotal { get; init; }
    public string? CurCode { get; init; }
    public decimal? CurRate { get; init; }
    public IReadOnlyList<InvoiceDetail> InvoiceDetails { get; init; } = [];
}

public sealed record InvoiceDetail
{
    public long? LineNumber { get; init; }
    public long? IDTID { get; init; }
    public string? IDTItemCode { get; init; }
    public string? IDTDescription { get; init; }
    public decimal? IDTQuantity { get; init; }
    /// <summary>The amount of the whole line, without tax; not the price of one piece.</summary>
    public decimal? IDTPrice_ForeignAmount { get; init; }
    public string? IDTGSTCode { get; init; }
    public decimal? IDTGSTRate { get; init; }
    public string? IGLACode { get; init; }
}

/// <summary>Written by the compiler: no reflection, exact property names, "1284.5" read as a decimal in any culture.</summary>
[JsonSourceGenerationOptions(NumberHandling = JsonNumberHandling.AllowReadingFromString)]
[JsonSerializable(typeof(Invoice))]
public sealed partial class PrintIQJson : JsonSerializerContext;

/// <summary>Why an invoice can never be booked, however often it is tried.</summary>
public sealed class NotBookable(string why, Exception? inner = null) : Exception(why, inner);

public static class Booking
{
    /// <summary>The calendar day as printIQ wrote it: never converted to another zone.</summary>
    public static DateOnly Day(string? text, string field) =>
        text is { Length: >= 10 } && DateOnly.TryParseExact(text[..10], "yyyy-MM-dd", out var day) && day.Year > 1
            ? day
            : throw new NotBookable($"{field} is no date: {text ?? "null"}");

    public static Invoice Read(JsonElement data)
    {
        try
        {
            return data.Deserialize(PrintIQJson.Default.Invoice) ?? throw new NotBookable("data is null");
        }
        catch (JsonException error)
        {
            throw new NotBookable($"{error.Path} is not what it should be", error);
        }
    }

    /// <summary>Refuse what does not add up, rather than book it.</summary>
    public static void Check(Invoice invoice)
    {
        if (invoice is not { INVInvoiceSubTotal: { } net, INVInvoiceGST: { } tax, INVInvoiceTotal: { } total })
        {
            throw new NotBookable("a total is missing");
        }
        if (invoice.CurCode is null)
        {
            throw new NotBookable("no currency");
        }
        if (net + tax != total)
        {
            throw new NotBookable($"{net} + {tax} is not {total}");
        }
        // A credit note comes with negative amounts, which are booked as they are.
        if (invoice.IsCreditNote is true && total > 0)
        {
            throw new NotBookable($"a credit note of {total}, which is not negative");
        }
        if (invoice.InvoiceDetails.Count == 0)
        {
            return;
        }
        // One line without an amount, and the sum proves nothing.
        if (invoice.InvoiceDetails.Any(line => line.IDTPrice_ForeignAmount is null))
        {
            throw new NotBookable("a line has no amount");
        }
        var lines = invoice.InvoiceDetails.Sum(line => line.IDTPrice_ForeignAmount!.Value);
        if (lines != net)
        {
            throw new NotBookable($"the lines come to {lines}, the subtotal is {net} (rate {invoice.CurRate})");
        }
    }
}
