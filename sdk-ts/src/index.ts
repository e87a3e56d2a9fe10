/** The public names of `@dotdo/lake.do`, and only those. */

export { createLakeClient } from './client.ts'
export type {
  CDCStreamOptions,
  Database,
  DatabaseOptions,
  LakeClient,
  LakeClientConfig,
  RequestOptions,
} from './client.ts'
export type {
  CDCBatch,
  CDCEvent,
  CDCEventBase,
  CDCOperation,
  DeleteEvent,
  InsertEvent,
  UpdateEvent,
} from './change.ts'
export { ConnectionError, LakeError, QueryError, TimeoutError } from './error.ts'
export type { LakeErrorFacts } from './error.ts'
export type { LakeEvents, LakeListener } from './events.ts'
export type { Fetch, RetryNotice } from './http.ts'
export { createLakePosition, createLSN, createSnapshotId } from './lsn.ts'
export type { LakePosition, LakePositionLike, LSN, LSNLike, SnapshotId } from './lsn.ts'
export type { After, LakeQueryOptions, LakeQueryResult } from './query.ts'
export type { RetryOptions } from './retry.ts'
export type { Row } from './row.ts'
export type {
  Committed,
  SqlListResult,
  SqlOptions,
  SqlResult,
  Statement,
  StatementOptions,
  StatementResult,
} from './sql.ts'
export type { LakeSocket, LakeSocketConstructor } from './subscription.ts'
export type {
  LakeField,
  LakePartitionField,
  LakeSchema,
  Snapshot,
  SnapshotSummary,
  TableMetadata,
} from './table.ts'
export type { JsonValue, LakeParameter, LakeValue } from './value.ts'
