/** What the types promise to a user; compiled, not run. */

import type { CDCEvent, LakeClient, LakePosition, LakeValue, LSN, Row } from '../src/index.ts'

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
function holds<_ extends true>(): void {}

export async function rows(lake: LakeClient): Promise<void> {
  const untyped = await lake.query('SELECT 1')
  holds<Same<typeof untyped.rows, Row[]>>()
  const typed = await lake.query<{ total: string }>('SELECT sum(amount) AS total FROM orders')
  holds<Same<(typeof typed.rows)[number]['total'], string>>()
  const list = await lake.sql('default', ['SELECT 1'])
  holds<Same<(typeof list.results)[number]['rows'], Row[]>>()
}

export async function positions(lake: LakeClient, position: LakePosition, lsn: LSN): Promise<void> {
  lake.subscribe({ fromLSN: position })
  await lake.query('SELECT 1', { after: { database: 'default', lsn } })
  // @ts-expect-error A position of a shard is no position of the lake.
  lake.subscribe({ fromLSN: lsn })
  // @ts-expect-error A position of the lake is none of a shard.
  await lake.query('SELECT 1', { after: { database: 'default', lsn: position } })
  // @ts-expect-error A row count is no position.
  lake.subscribe({ fromLSN: 7 })
}

export function changes(event: CDCEvent): LakeValue | undefined {
  switch (event.operation) {
    case 'INSERT':
      holds<Same<typeof event.before, undefined>>()
      return event.after['id']
    case 'UPDATE':
      // @ts-expect-error The row as it was is not always known.
      return event.before['id'] ?? event.after['id']
    case 'DELETE':
      holds<Same<typeof event.after, undefined>>()
      return event.before?.['id']
  }
}

export async function parameters(lake: LakeClient): Promise<void> {
  const params = ['a', 1, 2n, true, null, new Date(), new Uint8Array(), [1n, null], { a: [1, 'b'] }]
  await lake.sql('default', 'SELECT 1', { params })
  // @ts-expect-error NULL is null.
  await lake.sql('default', 'SELECT $1', { params: [undefined] })
}
