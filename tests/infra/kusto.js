// Reads queries, { name: text }, from standard input; writes what Microsoft's Kusto language service finds wrong in each,
// and the columns of its result with their types.
// Arguments: the folder of the npm package @kusto/language-service-next.
const path = require("node:path");
const [, , folder] = process.argv;
require(path.join(folder, "bridge.min.js"));
require(path.join(folder, "Kusto.Language.Bridge.min.js"));
const { GlobalState, KustoCode, Symbols } = Kusto.Language;

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces and apprequests, by their names in Application Insights
const traces = "(timestamp: datetime, message: string, severityLevel: int, itemCount: int, operation_Name: string)";
const requests = "(timestamp: datetime, name: string, resultCode: string, success: string, itemCount: int)";
const table = (name, columns) => new Symbols.TableSymbol.$ctor7(name, columns, null);
const database = new Symbols.DatabaseSymbol.ctor("app", [table("traces", traces), table("requests", requests)]);
const globals = GlobalState.Default.WithDatabase(database);

const listed = (list, read) => Array.from({ length: list.Count }, (_, index) => read(list.getItem(index)));
const analysed = (query) => {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const problems = listed(code.GetDiagnostics(), (diagnostic) => diagnostic.Message);
  const columns = problems.length ? [] : listed(code.ResultType.Columns, (column) => [column.Name, column.Type.Name]);
  return { problems, columns: Object.fromEntries(columns) };
};

const queries = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(Object.fromEntries(Object.entries(queries).map(([name, query]) => [name, analysed(query)]))));
