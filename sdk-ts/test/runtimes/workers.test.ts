/** The package as it is published, in the runtime that Workers run in. */

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { serve, type TestServer } from '../server.ts'

const DIST = fileURLToPath(new URL('../../dist', import.meta.url))

const WORKER = `
import { createLakeClient } from './index.js'

export default {
  async fetch(request) {
    const lake = createLakeClient({ url: await request.text(), token: 'a.b-c' })
    const { rows } = await lake.query('SELECT id FROM orders')
    for await (const batch of lake.subscribe({ tables: ['orders'] })) {
      return new Response(JSON.stringify({ rows, isBigint: typeof rows[0].id, events: batch.events }))
    }
  },
}
`

const answer = {
  columns: [{ name: 'id', type: 'int8' }],
  rows: [['9007199254740993']],
  rowCount: 1,
  command: 'SELECT',
  stats: { bytesScanned: 0, filesScanned: 0, partitionsScanned: 0, durationMs: 0 },
}

let server: TestServer
let workers: Miniflare
before(async () => {
  server = await serve({ status: 200, body: answer })
  const modules = readdirSync(DIST).filter(name => name.endsWith('.js'))
  workers = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          name: 'app',
          compatibilityDate: '2026-11-01',
          modulesRoot: DIST,
          modules: [
            { type: 'ESModule', path: `${DIST}/worker.js`, contents: WORKER },
            ...modules.map(name => ({ type: 'ESModule' as const, path: `${DIST}/${name}` })),
          ],
        },
      ],
    }),
  )
  await workers.ready
})
after(async () => {
  await workers.dispose()
  await server[Symbol.asyncDispose]()
})

test('query and subscribe work in a Worker', async () => {
  const answered = workers.dispatchFetch('http://app/', { method: 'POST', body: server.url })
  const peer = await server.accept()
  assert.equal(peer.protocols, 'lake.v1, bearer.a.b-c')
  await peer.receive()
  peer.send({ type: 'subscribed', position: '1' })
  const columns = [{ name: 'id', type: 'int8' }]
  peer.send({ type: 'relation', namespace: 'default', table: 'orders', columns, key: ['id'] })
  const event = { position: '2', namespace: 'default', table: 'orders', operation: 'DELETE', timestamp: '2026-01-14T00:00:00.000001Z' }
  const events = [{ ...event, shard: 'default', lsn: '1', transactionId: '1', before: { id: '7' } }]
  peer.send({ type: 'batch', events, position: '2', sequenceNumber: 1, timestamp: event.timestamp, source: 'default' })
  const { rows, isBigint, events: seen } = JSON.parse(await (await answered).text())
  assert.deepEqual(rows, [{ id: '9007199254740993' }])
  assert.equal(isBigint, 'bigint')
  assert.deepEqual(seen[0].before, { id: '7' })
  await peer.closed
})
