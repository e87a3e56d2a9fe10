// A request and its answer in one call each. A call out of wasm for each header costs more than what is done with it.

// The method, the URL, and for each name the value of that header behind a '=', or nothing if it was not sent: a line
// each, as none of them can hold a line break.
export function read(request, names) {
  const { method, url, headers } = request
  let text = `${method}\n${url}`
  for (const name of names) {
    const value = headers.get(name)
    text += value === null ? '\n' : `\n=${value}`
  }
  return text
}

// An answer. Headers are lines of a name, a ':' and a value, or nothing; without a body it is undefined.
export function answer(status, lines, body) {
  // An object is read three times as fast as a list of pairs.
  const headers = {}
  for (const line of lines === '' ? [] : lines.split('\n')) {
    const end = line.indexOf(':')
    headers[line.slice(0, end)] = line.slice(end + 1)
  }
  // What was passed is a view of wasm's memory, which others write to before it is sent.
  return new Response(body === undefined ? null : body.slice(), { status, headers })
}
