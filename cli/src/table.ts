/**
 * Lays rows out in columns, two spaces apart, with no spaces at the ends of lines.
 *
 * @param rows - the first is the heading.
 * @param indent - spaces before each line.
 */
export function formatTable(rows: readonly (readonly string[])[], indent = 0): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${" ".repeat(indent)}${line}`.trimEnd()).join("\n");
}

/** The heading of every table: upper case, so that it is told apart from the rows without colours. */
export function heading(...names: string[]): string[] {
  return names.map((name) => name.toUpperCase());
}
