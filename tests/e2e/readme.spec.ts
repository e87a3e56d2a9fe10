/** Every TypeScript example of the SDK's README is compiled and runs, as it stands, against a lake with some data. */

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Lake, ROOT } from './lake.ts'

// In the clone, so that the package is found under its own name; out of git.
const FOLDER = join(ROOT, 'target/readme')

const examples = [...readFileSync(join(ROOT, 'sdk-ts/README.md'), 'utf8').matchAll(/^```typescript\n(.*?)^```/gms)].map(
  match => match[1] ?? '',
)

const CONNECT = `import { createLakeClient } from '@dotdo/lake.do';

const lake = createLakeClient({ url: 'https://lake.example.com', token: process.env.LAKE_TOKEN });
`

const DOWNSTREAM = `
async function notifyWarehouse(row: object) { console.log('warehouse', JSON.stringify(row)); }
async function updateSearchIndex(row: object) { console.log('index', JSON.stringify(row)); }
async function refreshCache(id: unknown) { console.log('cache', id); }
`

const CALLS = `
console.log('metrics', await getDashboardMetrics());
await investigateIssue('o-1', new Date());
await syncToDownstream();
`

interface Check {
  /** A text by which the example is known. */
  readonly has: string
  /** What it must print. */
  readonly prints: RegExp[]
  /** It listens for ever: rows are written until it has printed. */
  readonly listens?: boolean
  /** Code after it: what the example leaves to its reader. */
  readonly rest?: string
}

const checks: Check[] = [
  { has: 'Last hour revenue', prints: [/Last hour revenue: \$12\.50/] },
  { has: 'Total orders', prints: [/Total orders: \d+/] },
  { has: 'last Tuesday', prints: [/Then: undefined/, /Now: \{[^}]*product_id: 'SKU-123'[^}]*quantity: 3/s] },
  { has: 'changes in real-time', prints: [/\d+ changes in real-time/], listens: true },
  { has: 'Received ${', prints: [/Received \d+ changes/], listens: true },
  { has: 'Read your own write', prints: [/Ada/] },
  {
    has: 'investigateIssue',
    prints: [
      /metrics \{\s+hourlyRevenue: '[\d.]+',\s+activeUsers: 2n,/,
      /lowStockItems: \[ \{ product_name: 'Lamp', quantity: 3 \} \],\s+dataAge: 'real-time'/,
      /State at time of report: \{[^}]*id: 'o-1'/s,
      /Full history: \[[^\]]*id: 'o-1'[^\]]*id: 'o-1'/s,
      /warehouse \{"id":"new-\d+"/,
      /index \{"id":"new-\d+"/,
      /cache new-\d+/,
    ],
    listens: true,
    rest: DOWNSTREAM + CALLS,
  },
]

let lake: Lake
let orders = 0

before(async () => {
  // The examples import the package by its name, which means what `npm run build` made.
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: join(ROOT, 'sdk-ts'), env: withOwnNode() })
  lake = await Lake.start()
  const { lsn } = await lake.client.sql('default', [
    'CREATE TABLE orders (id text PRIMARY KEY, amount numeric(12,2) NOT NULL, region text, created_at timestamptz NOT NULL DEFAULT now())',
    'CREATE TABLE inventory (product_id text PRIMARY KEY, product_name text, quantity int, reorder_point int)',
    'CREATE TABLE customers (id bigint PRIMARY KEY, name text)',
    'CREATE TABLE events (id bigint PRIMARY KEY, user_id text, date date NOT NULL DEFAULT CURRENT_DATE)',
    "INSERT INTO orders (id, amount, region) VALUES ('o-1', 10, 'EU'), ('o-2', 2.50, 'US')",
    "UPDATE orders SET region = 'UK' WHERE id = 'o-1'",
    "INSERT INTO inventory VALUES ('SKU-123', 'Lamp', 3, 5), ('SKU-9', 'Desk', 30, 5)",
    "INSERT INTO events (id, user_id) VALUES (1, 'u1'), (2, 'u2'), (3, 'u1')",
  ])
  assert.ok(lsn !== undefined)
  await lake.client.query('SELECT 1', { after: { database: 'default', lsn } })
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
})
after(() => lake.stop())

/** `npm` of this machine, with the Node that runs this. */
function withOwnNode(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}` }
}

function program(example: string, check: Check): string {
  const whole = (example.includes('createLakeClient') ? example : CONNECT + example) + (check.rest ?? '')
  return whole.replaceAll(/https:\/\/(lake\.example\.com|your-lakehouse\.workers\.dev)/g, lake.url)
}

/** Runs a program until it ends, or until it has printed what it should. */
async function run(file: string, check: Check): Promise<string> {
  const child = spawn(process.execPath, [file], { env: { ...process.env, LAKE_TOKEN: lake.token(['all']) } })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (printed += chunk))
  const isDone = (): boolean => check.listens === true && check.prints.every(print => print.test(printed))
  // Far more than it takes: an example that never prints what it should fails with what it did print.
  for (const last = orders + 500; check.listens === true && !isDone() && child.exitCode === null && orders < last; ) {
    orders += 1
    await lake.client.sql('default', 'INSERT INTO orders (id, amount) VALUES ($1, 1)', { params: [`new-${orders}`] })
  }
  if (check.listens === true) child.kill()
  await ended(child)
  return printed
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once('exit', () => resolve())
  })
}

describe('the examples of the README', { timeout: 120_000 }, () => {
  for (const [index, check] of checks.entries()) {
    test(`… ${check.has} …`, async () => {
      const example = examples.find(each => each.includes(check.has))
      assert.ok(example !== undefined, 'the README has it')
      const file = join(FOLDER, `${index}.ts`)
      writeFileSync(file, program(example, check))
      const printed = await run(file, check)
      for (const print of check.prints) assert.match(printed, print)
    })
  }

  test('all of them compile', () => {
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
    const files = checks.map((_, index) => join(FOLDER, `${index}.ts`))
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, ...files], { cwd: ROOT, env: withOwnNode(), stdio: 'pipe' })
  })

  test('none of them is left out', () => {
    assert.deepEqual(examples.filter(example => !checks.some(check => example.includes(check.has))), [])
    assert.equal(examples.length, checks.length)
  })
})
