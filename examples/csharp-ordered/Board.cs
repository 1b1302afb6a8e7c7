using Microsoft.Data.Sqlite;

namespace PrintIQ;

/// <summary>The status of each subject. Calls may come from several sessions at once.</summary>
public sealed class Board(string path)
{
    private readonly string _source = $"Data Source={path}";

    public void Create() => Run("""
        CREATE TABLE IF NOT EXISTS board (
            kind TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL, event TEXT NOT NULL, sequence TEXT NOT NULL,
            PRIMARY KEY (kind, key));
        """);

    /// <summary>
    /// Write a status, unless what is there came later. A session keeps the order in which Service Bus took the messages;
    /// `sequence` is the order in which the events came: an event that had to be tried again, or that is replayed, is
    /// behind later ones in its session. A replay of the state that is there has its `sequence`, and repairs it.
    /// </summary>
    public bool Show(string kind, string key, string status, string type, string sequence) => Run("""
        INSERT INTO board VALUES ($kind, $key, $status, $event, $sequence)
        ON CONFLICT (kind, key) DO UPDATE SET status = $status, event = $event, sequence = $sequence
        WHERE sequence <= $sequence
        """, ("$kind", kind), ("$key", key), ("$status", status), ("$event", type), ("$sequence", sequence)) > 0;

    private int Run(string sql, params (string Name, string Value)[] values)
    {
        using var database = new SqliteConnection(_source);
        database.Open();
        using var command = database.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in values)
        {
            command.Parameters.AddWithValue(name, value);
        }
        return command.ExecuteNonQuery();
    }
}
