// The platform's own storage, bucket, sockets and alarms obey the contract of the ports: the cases of `tests/host` run in
// workerd, in the script `workers/contract`, which `cargo xtask build --script contract` compiles. An object cannot evict
// itself, so the script asks this test, by a binding, to do it.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { convertV4MiniflareOptions, Miniflare, Response } from 'miniflare'

interface Case {
  readonly name: string
  readonly error: string | null
}

const folder = join(import.meta.dirname, '../../build/contract')
const state = mkdtempSync(join(tmpdir(), 'lake-contract-'))
let miniflare: Miniflare

before(async () => {
  const glue = readFileSync(join(folder, 'index.js'), 'utf8')
  const snippets = [...glue.matchAll(/from '\.\/(snippets\/[^']+)'/g)].map((match) => String(match[1]))
  const scripts = ['shim.js', 'index.js', ...snippets].map((path) => ({ type: 'ESModule' as const, path: join(folder, path) }))
  miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      name: 'contract',
      modulesRoot: folder,
      modules: [...scripts, { type: 'CompiledWasm', path: join(folder, 'index_bg.wasm') }],
      compatibilityDate: '2026-11-01',
      cf: false,
      durableObjects: { PORTS: { className: 'Ports', useSQLite: true }, DRIVEN: { className: 'Driven', useSQLite: true } },
      serviceBindings: { OUTSIDE: evict },
      r2Buckets: ['R2'],
    }),
    resourcePersistencePath: state,
  })
  await miniflare.ready
})

after(async () => {
  await miniflare.dispose()
  rmSync(state, { recursive: true, force: true })
})

async function evict(request: { readonly url: string }): Promise<Response> {
  const name = new URL(request.url).search.slice(1).replaceAll('+', ' ')
  await miniflare.unsafeEvictDurableObject('contract', 'Driven', { name, webSockets: 'hibernate' })
  return new Response('evicted')
}

async function check(path: string, casesMin: number): Promise<void> {
  const response = await miniflare.dispatchFetch(`http://contract${path}`)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  const cases = JSON.parse(text) as Case[]
  assert.ok(cases.length >= casesMin, `only ${cases.length} cases`)
  assert.deepEqual(cases.filter((found) => found.error !== null), [])
}

test('the storage of a Durable Object obeys the contract', () => check('/storage', 19))

test('it obeys it again over what the first run has left', () => check('/storage', 19))

test('an R2 bucket obeys the contract', () => check('/object-store', 13))

test('the clock obeys the contract', () => check('/clock', 2))

test('the random source obeys the contract', () => check('/random', 2))

test('the sockets of Durable Objects obey the contract', () => check('/sockets?first', 15))

test('they obey it again next to those of the first run', () => check('/sockets?second', 15))

test('the alarms of Durable Objects obey the contract', () => check('/alarms', 11))
