// The three scripts run together, and survive what the platform does to them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { Server, newState } from './server.ts'

const ROOT = resolve(import.meta.dirname, '../..')

test('the front door answers after a start, a stop and a kill', async () => {
  let lake = await Server.start()
  assert.equal((await lake.request('GET', '/healthz')).status, 200)
  const { state, port } = lake
  await lake.stop()
  lake = await Server.start({ state, port })
  assert.equal((await lake.request('GET', '/healthz')).status, 200)
  lake = await lake.killAndRestart()
  assert.equal((await lake.request('GET', '/healthz')).status, 200)
  await lake.stop()
})

test('nothing of a lake is left running after its driver is gone', async () => {
  const lake = await Server.start()
  const { node, workerd } = (await lake.pids()) as { node: number; workerd: number }
  await lake.stop()
  assert.throws(() => process.kill(node, 0))
  assert.throws(() => process.kill(workerd, 0))
})

test('wrangler dev serves the same configurations', async () => {
  const values = ['-c', 'wrangler.toml', '-c', 'workers/dosql/wrangler.toml', '-c', 'workers/query/wrangler.toml']
  const child = spawn(
    process.execPath,
    ['node_modules/wrangler/bin/wrangler.js', 'dev', ...values, '--port', '0', '--persist-to', newState()],
    { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false' } },
  )
  const exit = once(child, 'exit')
  try {
    let printed = ''
    let url: string | undefined
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      printed += chunk
      url = /Ready on (http:\S+)/.exec(printed)?.[1]
      if (url !== undefined) break
    }
    assert.ok(url, `wrangler dev ended before it was ready:\n${printed}`)
    const answer = await fetch(new URL('/healthz', url))
    await answer.arrayBuffer()
    assert.equal(answer.status, 200)
  } finally {
    // The whole group: wrangler's workerd processes outlive it otherwise.
    process.kill(-child.pid!, 'SIGKILL')
    await exit
  }
})
