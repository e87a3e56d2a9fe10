/** What the Iceberg REST catalog says about a table, in the words that users of the SDK know. */

import { isRecord, unexpectedAnswer } from './error.ts'
import { createSnapshotId, type SnapshotId } from './lsn.ts'

/** A state of a table. */
export interface Snapshot {
  /** For `asOf`. */
  readonly id: SnapshotId
  /** When it was committed. */
  readonly timestamp: Date
  /** The snapshot before it; `undefined` for the first. */
  readonly parentId: SnapshotId | undefined
  /** What the commit changed. */
  readonly summary: SnapshotSummary
  /** Where its list of manifests is. */
  readonly manifestList: string
}

/** What a commit changed; -1 where it does not say. */
export interface SnapshotSummary {
  /** `append`, `overwrite`, `replace` or `delete`. */
  readonly operation: string
  /** Data files. */
  readonly addedFiles: number
  /** Data files. */
  readonly deletedFiles: number
  /** Rows. */
  readonly addedRows: number
  /** Rows, by delete files as well. */
  readonly deletedRows: number
  /** The whole summary as it is stored. */
  readonly properties: Readonly<Record<string, string>>
}

/** A column of a table. */
export interface LakeField {
  /** Iceberg's id: it stays when the column is renamed. */
  readonly id: number
  /** Name. */
  readonly name: string
  /** Iceberg's type: `long`, `decimal(38, 9)`; an object for nested types. */
  readonly type: unknown
  /** False if it can be NULL. */
  readonly required: boolean
}

/** Columns of a table. */
export interface LakeSchema {
  /** Iceberg's id. */
  readonly schemaId: number
  /** In order. */
  readonly fields: LakeField[]
}

/** How a table is partitioned. */
export interface LakePartitionField {
  /** Name of the partition. */
  readonly name: string
  /** `identity`, `day`, `bucket[16]`. */
  readonly transform: string
  /** The column's id. */
  readonly sourceId: number
}

/** A table. */
export interface TableMetadata {
  /** Stays when the table is renamed. */
  readonly tableId: string
  /** Where its files are. */
  readonly location: string
  /** The current one. */
  readonly schema: LakeSchema
  /** The default one; empty if the table is not partitioned. */
  readonly partitionSpec: LakePartitionField[]
  /** `undefined` before the first commit. */
  readonly currentSnapshotId: SnapshotId | undefined
  /** The retained ones, oldest first. */
  readonly snapshots: Snapshot[]
  /** Table properties. */
  readonly properties: Readonly<Record<string, string>>
}

/** Splits `table` or `namespace.table` and gives the catalog's path. */
export function tablePath(table: string, namespace: string): string {
  const dot = table.indexOf('.')
  const [space, name] = dot === -1 ? [namespace, table] : [table.slice(0, dot), table.slice(dot + 1)]
  return `/iceberg/v1/namespaces/${encodeURIComponent(space)}/tables/${encodeURIComponent(name)}`
}

/** Reads the answer to loading a table. */
export function decodeTable(body: string): TableMetadata {
  const answer = record(parseWithLongIds(body), 'the answer')
  const metadata = record(answer['metadata'], 'metadata')
  const schemaId = metadata['current-schema-id']
  const specId = metadata['default-spec-id']
  const schema = find(metadata['schemas'], 'schema-id', schemaId)
  const spec = find(metadata['partition-specs'], 'spec-id', specId)
  const snapshots = list(metadata['snapshots'] ?? []).map(decodeSnapshot)
  return {
    tableId: String(metadata['table-uuid']),
    location: String(metadata['location']),
    schema: { schemaId: Number(schemaId), fields: list(schema['fields']).map(decodeField) },
    partitionSpec: list(spec['fields']).map(decodePartitionField),
    currentSnapshotId: snapshotId(metadata['current-snapshot-id']),
    snapshots: snapshots.sort((a, b) => a.timestamp.getTime() - b.timestamp.getTime()),
    properties: texts(metadata['properties'] ?? {}),
  }
}

/** Snapshot ids are JSON numbers beyond 2^53; integers of that length become strings before JSON.parse rounds them. */
function parseWithLongIds(body: string): unknown {
  const quoted = body.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, token =>
    /^-?\d{16,}$/.test(token) ? `"${token}"` : token,
  )
  try {
    return JSON.parse(quoted)
  } catch (cause) {
    throw unexpectedAnswer('the catalog did not answer with JSON', cause)
  }
}

function decodeSnapshot(wire: unknown): Snapshot {
  const snapshot = record(wire, 'a snapshot')
  const id = snapshotId(snapshot['snapshot-id'])
  if (id === undefined) throw unexpectedAnswer('a snapshot has no id')
  const properties = texts(snapshot['summary'] ?? {})
  const count = (name: string): number => Number(properties[name] ?? -1)
  return {
    id,
    timestamp: new Date(Number(snapshot['timestamp-ms'])),
    parentId: snapshotId(snapshot['parent-snapshot-id']),
    summary: {
      operation: properties['operation'] ?? '',
      addedFiles: count('added-data-files'),
      deletedFiles: count('deleted-data-files'),
      addedRows: count('added-records'),
      deletedRows: Number(properties['deleted-records'] ?? properties['added-position-deletes'] ?? -1),
      properties,
    },
    manifestList: String(snapshot['manifest-list']),
  }
}

function decodeField(wire: unknown): LakeField {
  const field = record(wire, 'a field')
  return {
    id: Number(field['id']),
    name: String(field['name']),
    type: field['type'],
    required: field['required'] === true,
  }
}

function decodePartitionField(wire: unknown): LakePartitionField {
  const field = record(wire, 'a partition field')
  return {
    name: String(field['name']),
    transform: String(field['transform']),
    sourceId: Number(field['source-id']),
  }
}

/** -1 is an old spelling of "none". */
function snapshotId(value: unknown): SnapshotId | undefined {
  if (value === undefined || value === null || value === -1) return undefined
  return createSnapshotId(String(value))
}

function find(candidates: unknown, key: string, id: unknown): Record<string, unknown> {
  const found = list(candidates).find(each => isRecord(each) && each[key] === id)
  return record(found, `${key} ${String(id)}`)
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (!isRecord(value)) throw unexpectedAnswer(`the catalog's answer has no ${what}`)
  return value
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw unexpectedAnswer("the catalog's answer lacks a list")
  return value
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(record(value, 'properties')).map(([key, text]) => [key, String(text)]))
}
