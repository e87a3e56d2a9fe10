/** Reads a CSV file record by record. The text `NA` is NULL, as R writes it. */

/** The records of a file after its header line, each as long as the header. */
export function* records(text: string): Generator<(string | null)[]> {
  let isHeader = true
  let at = 0
  while (at < text.length) {
    const record: (string | null)[] = []
    for (;;) {
      const { field, end } = fieldAt(text, at)
      record.push(field === 'NA' ? null : field)
      at = end + 1
      if (text[end] !== ',') break
    }
    if (!isHeader) yield record
    isHeader = false
  }
}

/** The field that begins at `at`, and where its separator is. */
function fieldAt(text: string, at: number): { field: string; end: number } {
  if (text[at] !== '"') {
    const comma = text.indexOf(',', at)
    const lineEnd = text.indexOf('\n', at)
    const last = lineEnd === -1 ? text.length : lineEnd
    const end = comma !== -1 && comma < last ? comma : last
    return { field: text.slice(at, text[end - 1] === '\r' ? end - 1 : end), end }
  }
  let field = ''
  for (at += 1; ; at += 1) {
    const quote = text.indexOf('"', at)
    if (quote === -1) throw new Error('a quoted field has no end')
    field += text.slice(at, quote)
    at = quote + 1
    if (text[at] !== '"') break
    field += '"'
  }
  const end = text[at] === '\r' ? at + 1 : at
  return { field, end }
}
