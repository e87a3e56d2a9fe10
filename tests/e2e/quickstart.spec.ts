/**
 * The README's quick start runs, block by block, on one lake.
 *
 * A block whose info string says `run` is run as it stands; the README's local address and `'TOKEN'` stand for the
 * lake's own. If a `text` block follows, each of its lines must be printed.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Lake, ROOT } from './lake.ts'

// In the clone, so that the package is found under its own name; out of git.
const FOLDER = join(ROOT, 'target/quickstart')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** Runs each statement of a script in stock DuckDB and prints the rows. */
const DUCKDB = `
import sys
import duckdb
from duckdb_extensions import import_extension
connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
for name in ("avro", "httpfs", "iceberg"):
    import_extension(name, con=connection)
    connection.execute(f"LOAD {name}")
for statement in sys.stdin.read().split(";\\n"):
    if statement.strip():
        for row in connection.execute(statement).fetchall():
            print(*row, sep="  ")
`

interface Block {
  readonly language: string
  readonly text: string
  readonly prints: readonly string[]
}

function blocks(): Block[] {
  const fences = [...README.matchAll(/^```(\S+)( run)?\n(.*?)^```/gms)]
  return fences.flatMap((fence, index) => {
    if (fence[2] === undefined) return []
    const next = fences[index + 1]
    const prints = next?.[1] === 'text' ? (next[3] ?? '').trim().split('\n') : []
    return [{ language: fence[1] ?? '', text: fence[3] ?? '', prints }]
  })
}

let lake: Lake
before(async () => {
  lake = await Lake.start()
  mkdirSync(FOLDER, { recursive: true })
})
after(() => lake.stop())

function run({ language, text }: Block): string {
  const environment = { ...process.env, LAKE_URL: lake.url, LAKE_TOKEN: lake.token(['all']) }
  const options = { encoding: 'utf8', env: environment, cwd: FOLDER } as const
  switch (language) {
    case 'sh':
      return execFileSync('bash', ['-euo', 'pipefail', '-c', text], options)
    case 'typescript': {
      const file = join(FOLDER, 'quickstart.ts')
      writeFileSync(file, text)
      return execFileSync(process.execPath, [file], options)
    }
    case 'sql': {
      const home = { ...environment, HOME: process.env['LAKE_PYTHON_HOME'] ?? '' }
      const input = text.replaceAll('http://127.0.0.1:8787', lake.url).replaceAll("'TOKEN'", `'${lake.token(['all'])}'`)
      return execFileSync(process.env['LAKE_PYTHON'] ?? 'python3', ['-c', DUCKDB], { ...options, env: home, input })
    }
    default:
      throw new Error(`the README asks to run ${language}`)
  }
}

describe('the README', () => {
  const all = blocks()

  test('has blocks to run in each of its languages', () => {
    assert.deepEqual([...new Set(all.map(block => block.language))].sort(), ['sh', 'sql', 'typescript'])
  })

  for (const block of all) {
    test(`${block.language}: ${block.text.trim().split('\n')[0]}`, () => {
      const printed = run(block)
      assert.ok(!printed.includes('"error"'), printed)
      for (const line of block.prints) assert.ok(printed.includes(line), `printed: ${printed}`)
    })
  }
})
