/** Something that must not be: the run ends with it. */
export class Wrong extends Error {
  override readonly name = 'Wrong'

  constructor(message: string, details: readonly string[] = []) {
    super([message, ...details.slice(0, 12).map(line => `    ${line}`)].join('\n'))
  }
}

/** Fails with what only one side has, if there is any. */
export function mustEqual(who: string, found: readonly string[], expected: readonly string[]): void {
  const [a, b] = [tally(found), tally(expected)]
  const differences: string[] = []
  for (const line of new Set([...a.keys(), ...b.keys()])) {
    const more = (a.get(line) ?? 0) - (b.get(line) ?? 0)
    if (more > 0) differences.push(`${more} too many: ${line}`)
    if (more < 0) differences.push(`${-more} missing:  ${line}`)
  }
  if (differences.length > 0) throw new Wrong(`${who}: ${differences.length} differences`, differences)
}

function tally(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  return counts
}
