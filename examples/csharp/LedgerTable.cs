using Microsoft.Data.Sqlite;

namespace PrintIQ;

/// <summary>Invoices, their lines, and the deliveries that were handled, in one database: one commit covers all.</summary>
public sealed class LedgerTable : IDisposable
{
    private readonly SqliteConnection _database;

    public LedgerTable(string path)
    {
        _database = new SqliteConnection($"Data Source={path}");
        _database.Open();
        // Amounts are TEXT: SQLite has no decimal, and a REAL would not be exact.
        Run(null, """
            CREATE TABLE IF NOT EXISTS handled (delivery TEXT PRIMARY KEY, at TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS invoice (
                key TEXT PRIMARY KEY, number TEXT, day TEXT NOT NULL, due TEXT, customer TEXT, currency TEXT NOT NULL,
                net TEXT NOT NULL, tax TEXT NOT NULL, total TEXT NOT NULL, credit INTEGER NOT NULL, sequence TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS line (
                key TEXT NOT NULL, position INTEGER NOT NULL, item TEXT, description TEXT, quantity TEXT, net TEXT,
                tax_code TEXT, account TEXT, PRIMARY KEY (key, position));
            """);
    }

    public bool Handled(string delivery)
    {
        using var command = Command(null, "SELECT 1 FROM handled WHERE delivery = $delivery", ("$delivery", delivery));
        return command.ExecuteScalar() is not null;
    }

    /// <summary>Book an invoice, or correct its booking, unless that is newer.</summary>
    public bool Book(string delivery, string key, string sequence, Invoice invoice)
    {
        var day = Booking.Day(invoice.INVInvoiceDate, nameof(invoice.INVInvoiceDate));
        var due = invoice.INVInvoiceDueDate is { } text ? Booking.Day(text, nameof(invoice.INVInvoiceDueDate)) : day;
        Booking.Check(invoice);
        using var transaction = _database.BeginTransaction();
        var changed = Run(transaction, """
            INSERT INTO invoice VALUES ($key, $number, $day, $due, $customer, $currency, $net, $tax, $total, $credit, $sequence)
            ON CONFLICT (key) DO UPDATE SET number = $number, day = $day, due = $due, customer = $customer,
                currency = $currency, net = $net, tax = $tax, total = $total, credit = $credit, sequence = $sequence
            WHERE sequence <= $sequence
            """,
            ("$key", key), ("$number", invoice.INVInvoiceNumber), ("$day", $"{day:yyyy-MM-dd}"), ("$due", $"{due:yyyy-MM-dd}"),
            ("$customer", invoice.BillingCusCode), ("$currency", invoice.CurCode), ("$net", Exact(invoice.INVInvoiceSubTotal)),
            ("$tax", Exact(invoice.INVInvoiceGST)), ("$total", Exact(invoice.INVInvoiceTotal)),
            ("$credit", invoice.IsCreditNote is true), ("$sequence", sequence)) > 0;
        if (changed)
        {
            Run(transaction, "DELETE FROM line WHERE key = $key", ("$key", key));
            foreach (var (position, line) in invoice.InvoiceDetails.Select((line, position) => (position, line)))
            {
                Run(transaction, "INSERT INTO line VALUES ($key, $position, $item, $description, $quantity, $net, $tax, $account)",
                    ("$key", key), ("$position", position), ("$item", line.IDTItemCode), ("$description", line.IDTDescription),
                    ("$quantity", Exact(line.IDTQuantity)), ("$net", Exact(line.IDTPrice_ForeignAmount)),
                    ("$tax", line.IDTGSTCode), ("$account", line.IGLACode));
            }
        }
        Run(transaction, "INSERT OR IGNORE INTO handled VALUES ($delivery, $at)", ("$delivery", delivery), ("$at", $"{DateTime.UtcNow:O}"));
        transaction.Commit();
        return changed;
    }

    public IEnumerable<string> Totals()
    {
        using var command = Command(null, "SELECT number, currency, net, tax, total FROM invoice ORDER BY key");
        using var row = command.ExecuteReader();
        while (row.Read())
        {
            yield return $"{row[0]} {row[1]} {row[2]} + {row[3]} = {row[4]}";
        }
    }

    public void Dispose() => _database.Dispose();

    private static string? Exact(decimal? amount) => amount?.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private int Run(SqliteTransaction? transaction, string sql, params (string, object?)[] values)
    {
        using var command = Command(transaction, sql, values);
        return command.ExecuteNonQuery();
    }

    private SqliteCommand Command(SqliteTransaction? transaction, string sql, params (string Name, object? Value)[] values)
    {
        var command = _database.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var (name, value) in values)
        {
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }
        return command;
    }
}
