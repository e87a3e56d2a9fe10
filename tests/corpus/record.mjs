// Records what Postgres answers: runs every .sql file of `cases` and `select` on PGlite and writes `golden/<name>.json`.
//
//   node tests/corpus/record.mjs            all files
//   node tests/corpus/record.mjs numeric    those whose name contains a word
//
// A file is one session on a fresh database. A statement ends with a semicolon at the end of a line; each one is a
// transaction of its own. Values are kept as Postgres' text output, so that nothing is lost on the way.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'

const here = dirname(fileURLToPath(import.meta.url))
const only = process.argv[2] ?? ''

export function statements(text) {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('--'))
    .join('\n')
    .split(/;\s*\n/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

const typeNames = new Map()
const keepText = {}

async function session() {
  const db = new PGlite()
  await db.exec("SET TIME ZONE 'UTC'; SET intervalstyle = 'postgres'; SET datestyle = 'ISO, MDY'; SET extra_float_digits = 1")
  if (typeNames.size === 0) {
    const types = await db.query('SELECT oid::int AS oid, typname FROM pg_type')
    for (const { oid, typname } of types.rows) {
      typeNames.set(oid, typname)
      keepText[oid] = (value) => value
    }
  }
  return db
}

async function run(db, sql) {
  try {
    const result = await db.query(sql, [], { rowMode: 'array', parsers: keepText })
    const columns = result.fields.map((field) => [field.name, typeNames.get(field.dataTypeID) ?? String(field.dataTypeID)])
    const answer = { sql }
    if (columns.length > 0) Object.assign(answer, { columns, rows: result.rows })
    if (/^\s*(insert|update|delete)/i.test(sql)) answer.affected = result.affectedRows ?? 0
    return answer
  } catch (error) {
    return { sql, error: error.code ?? String(error), message: error.message }
  }
}

mkdirSync(join(here, 'golden'), { recursive: true })
for (const folder of ['cases', 'select']) {
  for (const file of readdirSync(join(here, folder)).sort()) {
    if (!file.endsWith('.sql') || !file.includes(only)) continue
    const db = await session()
    const answers = []
    for (const sql of statements(readFileSync(join(here, folder, file), 'utf8') + '\n')) answers.push(await run(db, sql))
    await db.close()
    const name = `${folder}-${file.replace(/\.sql$/, '.json')}`
    writeFileSync(join(here, 'golden', name), `[\n${answers.map((answer) => JSON.stringify(answer)).join(',\n')}\n]\n`)
    console.log(`${name}: ${answers.length} statements, ${answers.filter((answer) => answer.error).length} errors`)
  }
}
