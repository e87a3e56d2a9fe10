/** What the demo prints. */

/** One line. */
export function say(line: string): void {
  console.log(line)
}

/** The beginning of a part. */
export function title(text: string): void {
  console.log(`\n${text}`)
}

/** Milliseconds as seconds, in a column. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`.padStart(8)
}

/** Lines with their columns below one another. */
export function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const all = [header, ...lines]
  const widths = header.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)))
  const isNumber = header.map((_, column) => lines.every((line) => /^[\d.]+( MB)?$/.test(line[column] ?? '')))
  const pad = (text: string, column: number): string =>
    isNumber[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)
  return all.map((line) => `  ${line.map(pad).join('  ')}`.trimEnd()).join('\n')
}
