/** Bytes for people: `640 B`, `137 kB`, `1.05 MB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ["B", "kB", "MB", "GB", "TB", "PB"], " ");
}

/** A count in full and, where it is large, in short: `15,191,712 (15.2M)`. */
export function formatCount(count: number): string {
  const full = count.toLocaleString("en-US");
  return count < 1e6 ? full : `${full} (${scaled(count, ["", "K", "M", "B", "T"], "")})`;
}

/** `1 tensor`, `2,000 tensors`, `15,191,712 (15.2M) parameters`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Rows with their columns aligned: the left ones to the left; numbers, whose column index is in `right`, to the right. */
export function alignColumns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  const pad = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
  return rows.map((row) => row.map(pad).join("  ").trimEnd());
}

function scaled(value: number, units: readonly string[], gap: string): string {
  let size = value;
  let unit = 0;
  // 999.5 and more would print as 1000.
  for (; size >= 999.5 && unit < units.length - 1; unit++) size /= 1000;
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits)}${gap}${units[unit]}`;
}
