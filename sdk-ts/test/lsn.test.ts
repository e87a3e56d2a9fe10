import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLakePosition, createLSN, createSnapshotId } from '../src/lsn.ts'

test('a position has 64 bits and no sign', () => {
  for (const create of [createLSN, createLakePosition]) {
    assert.equal(create(0n), 0n)
    assert.equal(create(18446744073709551615n), 18446744073709551615n)
    assert.throws(() => create(-1n), RangeError)
    assert.throws(() => create(18446744073709551616n), RangeError)
  }
})

test('a snapshot id is decimal', () => {
  assert.equal(createSnapshotId('-9007199254740993'), '-9007199254740993')
  for (const text of ['', 'abc', '1.5', '12345678901234567890']) assert.throws(() => createSnapshotId(text), TypeError)
})
