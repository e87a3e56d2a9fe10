/**
 * The 64-bit identifiers: branded, so that a position of the lake, a position of one shard and a row count cannot be
 * mixed up. On the wire they are decimal strings, because JSON numbers end at 2^53.
 */

declare const brand: unique symbol

/** Position of one committed transaction in one shard's log. Not comparable across shards. */
export type LSN = bigint & { readonly [brand]: 'LSN' }

/** Position of one row change in the lake: a total order over all shards. */
export type LakePosition = bigint & { readonly [brand]: 'LakePosition' }

/** Any number that is not known to be a position of something else, in place of a `LakePosition`. */
export type LakePositionLike = bigint & { readonly [brand]?: 'LakePosition' }

/** Any number that is not known to be a position of something else, in place of an `LSN`. */
export type LSNLike = bigint & { readonly [brand]?: 'LSN' }

/** Iceberg's id of a snapshot, in decimal. */
export type SnapshotId = string & { readonly [brand]: 'SnapshotId' }

/** Names a number as a shard's position. */
export function createLSN(value: bigint): LSN {
  return checked(value, 'LSN') as LSN
}

/** Names a number as a position in the lake. */
export function createLakePosition(value: bigint): LakePosition {
  return checked(value, 'LakePosition') as LakePosition
}

/** Names a decimal text as a snapshot id. */
export function createSnapshotId(value: string): SnapshotId {
  if (!/^-?\d{1,19}$/.test(value)) throw new TypeError(`not a snapshot id: ${value}`)
  return value as SnapshotId
}

function checked(value: bigint, name: string): bigint {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new RangeError(`not a ${name}: ${value}`)
  return value
}
