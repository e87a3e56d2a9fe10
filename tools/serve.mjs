// Serves the three scripts in one workerd, from the wrangler configs, on a direct socket of the `lake` script.
//
//   node tools/serve.mjs --state DIR [--port P] [--admin-port P] [--log FILE] [--ends-with-stdin]
//
// LAKE_KEYS (the secret of the `lake` script), its settings of storage credentials, and LAKE_TOKEN (printed, nothing else)
// come in the environment. Prints one line when requests are answered: `ready url=http://127.0.0.1:P token=… [admin=http://127.0.0.1:A]`.
//
// Miniflare's API is used and not `wrangler dev`, which answers ten times fewer requests a second. A node that is killed
// leaves its workerd alive with its ports and files, so the process ids are kept in the state folder and the next
// start on the same folder ends that workerd first.

import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Miniflare, convertV4MiniflareOptions } from 'miniflare'
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from 'wrangler'

const ROOT = resolve(import.meta.dirname, '..')
const CONFIGS = ['wrangler.toml', 'workers/dosql/wrangler.toml', 'workers/query/wrangler.toml']
// Secrets and settings of the `lake` script that may come in the environment.
const SECRETS = ['LAKE_KEYS', 'STORAGE_CREDENTIALS', 'R2_ENDPOINT', 'R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY']
const HOST = '127.0.0.1'

const { values: options } = parseArgs({
  options: {
    state: { type: 'string' },
    port: { type: 'string', default: '0' },
    'admin-port': { type: 'string' },
    log: { type: 'string' },
    'ends-with-stdin': { type: 'boolean', default: false },
  },
})
if (options.state === undefined) fail('--state is needed')
const state = resolve(options.state)
const pidFile = join(state, 'pids.json')
mkdirSync(state, { recursive: true })
endLeftover()

const log = options.log === undefined ? process.stderr : createWriteStream(options.log, { flags: 'a' })
const miniflare = new Miniflare({
  ...convertV4MiniflareOptions({
    host: HOST,
    port: 0,
    cf: false,
    handleStructuredLogs: ({ timestamp, level, message }) =>
      log.write(`${new Date(timestamp).toISOString()} ${level} ${message}\n`),
    workers: CONFIGS.map(worker),
  }),
  resourcePersistencePath: join(state, 'v3'),
})

let isEnding = false
process.on('SIGTERM', () => end(0))
process.on('SIGINT', () => end(0))
process.on('SIGHUP', () => end(0))
if (options['ends-with-stdin']) {
  process.stdin.on('end', () => end(0))
  process.stdin.on('error', () => end(0))
  process.stdin.resume()
}

await miniflare.ready
const url = (await miniflare.unsafeGetDirectURL('lake')).origin
const workerd = workerdOf(process.pid)
writeFileSync(pidFile, JSON.stringify({ node: process.pid, workerd, started: startOf(workerd) }))
setInterval(() => isAlive(workerd) || isEnding || fail('workerd has ended by itself'), 500)

let ready = `ready url=${url}`
if (process.env.LAKE_TOKEN) ready += ` token=${process.env.LAKE_TOKEN}`
if (options['admin-port'] !== undefined) ready += ` admin=${await serveAdmin(Number(options['admin-port']))}`
console.log(ready)

// One script as Miniflare takes it: the bindings of its config, the modules that the build made.
function worker(config) {
  const { workerOptions, main } = workerOptionsOf(join(ROOT, config))
  const name = nameIn(config)
  const { modulesRules: _, ...rest } = workerOptions
  const folder = dirname(main)
  return {
    ...rest,
    name,
    rootPath: folder,
    modulesRoot: folder,
    modules: modulesOf(folder),
    bindings: { ...rest.bindings, ...secretsOf(name) },
    ...(name === 'lake' ? { unsafeDirectSockets: [{ host: HOST, port: Number(options.port) }] } : {}),
  }
}

function nameIn(config) {
  return /^name = "(\w+)"/m.exec(readFileSync(join(ROOT, config), 'utf8'))[1]
}

function modulesOf(folder) {
  const glue = readFileSync(join(folder, 'index.js'), 'utf8')
  const snippets = [...glue.matchAll(/from '(\.\/snippets\/[^']+)'/g)].map((match) => match[1])
  const scripts = ['shim.js', 'index.js', ...snippets]
  return [
    ...scripts.map((path) => ({ type: 'ESModule', path: join(folder, path) })),
    { type: 'CompiledWasm', path: join(folder, 'index_bg.wasm') },
  ]
}

function secretsOf(name) {
  if (name !== 'lake') return {}
  const found = SECRETS.map((secret) => [secret, process.env[secret]])
  return Object.fromEntries(found.filter(([, value]) => value))
}

// For tests: evict an object, name the processes.
async function serveAdmin(port) {
  const server = createServer(async (request, response) => {
    const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    try {
      if (request.method === 'GET' && request.url === '/pids') return answer(200, { node: process.pid, workerd })
      if (request.method === 'POST' && request.url === '/evict') {
        const { script, class: className, name, webSockets = 'hibernate' } = JSON.parse(await textOf(request))
        await miniflare.unsafeEvictDurableObject(script, className, { name, webSockets })
        return answer(200, {})
      }
      answer(404, { error: 'there are GET /pids and POST /evict' })
    } catch (error) {
      answer(500, { error: String(error) })
    }
  })
  await new Promise((listening) => server.listen(port, HOST, listening))
  return `http://${HOST}:${server.address().port}`
}

async function textOf(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function end(code) {
  if (isEnding) return
  isEnding = true
  const child = workerdOf(process.pid)
  // dispose() waits for open requests; a subscriber's socket can stay open for ever.
  const late = setTimeout(() => child && killNow(child), 3000)
  await miniflare.dispose().catch((error) => console.error(String(error)))
  clearTimeout(late)
  rmSync(pidFile, { force: true })
  process.exit(code)
}

function endLeftover() {
  let left
  try {
    left = JSON.parse(readFileSync(pidFile, 'utf8'))
  } catch {
    return // No file: the last run ended in order.
  }
  if (isAlive(left.node) && processName(left.node).includes('node')) fail(`process ${left.node} serves ${state} already`)
  // The start time tells the process that was written down from another that has its number now.
  if (left.workerd && startOf(left.workerd) === left.started) killNow(left.workerd)
  rmSync(pidFile, { force: true })
}

function workerdOf(parent) {
  for (const line of ps('-A', '-o', 'pid=,ppid=,comm=').split('\n')) {
    const [pid, ppid, ...command] = line.trim().split(/\s+/)
    if (Number(ppid) === parent && command.join(' ').includes('workerd')) return Number(pid)
  }
  return undefined
}

function startOf(pid) {
  return pid ? ps('-p', String(pid), '-o', 'lstart=').trim() : ''
}

function processName(pid) {
  return ps('-p', String(pid), '-o', 'comm=')
}

function ps(...values) {
  try {
    return execFileSync('ps', values, { encoding: 'utf8' })
  } catch {
    return '' // ps fails when the process is gone.
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function killNow(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

function fail(message) {
  console.error(`serve: ${message}`)
  process.exit(1)
}
