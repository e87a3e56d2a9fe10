/** Linear memory of each script's isolate; it never shrinks, so this is the most that it has been. */

import type { LakeClient } from '../sdk-ts/src/index.ts'

/** Bytes by script, as the statuses of a database and of the lake say. */
export async function memoryOf(lake: LakeClient, database: string): Promise<{ shard: number; lake: number; query: number }> {
  const [shard, status] = await Promise.all([lake.databaseStatus(database), lake.status()])
  return { shard: bytesIn(shard), lake: bytesIn(status['lake']), query: bytesIn(status['query']) }
}

function bytesIn(status: unknown): number {
  const bytes = typeof status === 'object' && status !== null && 'memoryBytes' in status ? status.memoryBytes : undefined
  if (typeof bytes !== 'number') throw new Error('a status says nothing of memory')
  return bytes
}
