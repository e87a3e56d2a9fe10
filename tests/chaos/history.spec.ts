/** The comparison itself: an account of changes that is not exactly the ledger's is told from one that is. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Effect, probeLines } from './bank.ts'
import { Account, type SeenChange } from './history.ts'
import { Ledger, type Transaction } from './ledger.ts'
import { mustEqual, Wrong } from './wrong.ts'

function transaction(tag: string, ...effects: Effect[]): Transaction {
  return { tag, statements: [], effects }
}

function insert(...ids: number[]): Effect {
  return { kind: 'insert', table: 'items', rows: ids.map(id => [id, [1, 'first']]) }
}

const FIRST = transaction('first', insert(1, 2, 3))
const SECOND = transaction('second', { kind: 'count', from: 1, to: 2, tag: 'second' }, { kind: 'delete', table: 'items', from: 2, to: 2 })
const THIRD = transaction('third', { kind: 'move', id: 1, to: 9, tag: 'third' })

const stamp = (lsn: number): string => `2026-01-01T00:00:00.00000${lsn}Z`

/** A shard with three transactions, the last of which lost its answer. */
function ledger(): Ledger {
  const ledger = new Ledger('alpha', 'bank')
  // Answers come in any order.
  ledger.acknowledge(SECOND, 2n, stamp(2))
  ledger.acknowledge(FIRST, 1n, stamp(1))
  ledger.abandon(THIRD)
  return ledger
}

/** The same, when the third was found in the lake. */
function settled(): Ledger {
  const all = ledger()
  all.adopt(3n, stamp(3), new Set(['third']))
  all.settle(3n)
  return all
}

/** What a reader of its history sees, and that reader's account. */
function seen(): { changes: SeenChange[]; account: Account } {
  const all = settled()
  let position = 10n
  const changes = all.entries.flatMap(({ lsn, committedAt, changes = [] }) =>
    changes.map(({ table, operation, id, before, after }) => {
      position += 1n
      return { table, operation, id, values: after ?? before ?? [], before, shard: 'alpha', lsn, position, committedAt }
    }),
  )
  return { changes, account: new Account('a reader', [all]) }
}

test('what happened is what the ledger says', () => {
  const { changes, account } = seen()
  account.compare(changes.toReversed())
  assert.equal(account.position, 18n)
})

/** Changes what a reader saw into what it must not see. */
function found(sentence: string, spoil: (changes: SeenChange[]) => SeenChange[], message: RegExp): void {
  test(sentence, () => {
    const { changes, account } = seen()
    assert.throws(() => account.compare(spoil(changes)), (error: unknown) => error instanceof Wrong && message.test(error.message))
  })
}

const replaced = (changes: SeenChange[], index: number, by: Partial<SeenChange>): SeenChange[] =>
  changes.map((change, at) => (at === index ? { ...change, ...by } : change))
const shifted = (changes: SeenChange[], by: bigint): SeenChange[] => changes.map(change => ({ ...change, position: change.position + by }))

found('a missing row is found', changes => changes.filter((_, index) => index !== 4), /1 missing/)
found('a row that comes twice is found', changes => [...changes, ...changes.slice(4, 5)], /1 too many/)
found('a transaction that is missing at the end is found', changes => changes.slice(0, 6), /third, lsn 3 of alpha, is missing/)
found('a transaction that is missing in between is found', changes => [...changes.slice(0, 3), ...changes.slice(6)], /lsn 3 of alpha comes where lsn 2 should/)
found('a transaction that comes again is found', changes => [...changes, ...shifted(changes.slice(3, 6), 20n)], /lsn 2 of alpha comes where nothing should/)
found('a transaction torn apart is found', changes => [...changes.slice(0, 5), ...changes.slice(6), ...shifted(changes.slice(5, 6), 20n)], /1 missing/)
found('transactions out of order are found', changes => [...shifted(changes.slice(0, 3), 20n), ...changes.slice(3)], /lsn 2 of alpha comes where lsn 1 should/)
found('a wrong value is found', changes => replaced(changes, 3, { values: ['7', 'second'] }), /1 too many/)
found('a wrong image of before is found', changes => replaced(changes, 3, { before: ['7', 'first'] }), /before items 1/)
found('a wrong stamp is found', changes => replaced(changes, 3, { committedAt: stamp(9) }), /is stamped/)
found('a hole between positions is found', changes => [...changes.slice(0, 2), ...shifted(changes.slice(2), 1n)], /has positions 11 to 14 for 3 changes/)
found('changes of an unknown database are found', changes => replaced(changes, 0, { shard: 'omega' }), /omega/)

test('a second reader that sees a transaction elsewhere is found', () => {
  const all = settled()
  const { changes } = seen()
  new Account('one', [all]).compare(changes)
  assert.throws(() => new Account('two', [all]).compare(shifted(changes, 5n)), /and was at 11 to 13/)
})

test('an acknowledged transaction that the shard has lost is found', () => {
  assert.throws(() => ledger().settle(1n), /lost second, lsn 2/)
})

test('a transaction of the shard that never reached the lake is found', () => {
  assert.throws(() => ledger().settle(3n), /lsn 3, which was neither acknowledged nor reached the lake/)
})

test('an lsn that two were told is found', () => {
  assert.throws(() => ledger().acknowledge(THIRD, 2n, stamp(2)), /lsn 2 was given to second and to third/)
})

test('an abandoned transaction that was absent once may not come later', () => {
  const all = ledger()
  all.settle(2n)
  assert.equal(all.absent, 1)
  assert.throws(() => all.adopt(3n, stamp(3), new Set(['third'])), /third, which was not there before/)
})

test('stamps that do not grow are found', () => {
  const all = ledger()
  all.adopt(3n, stamp(2), new Set(['third']))
  assert.throws(() => all.settle(3n), /is stamped .* not after lsn 2/)
})

test('the ledger knows what was true at a time and at a position', () => {
  const all = settled()
  const { changes } = seen()
  new Account('a reader', [all]).compare(changes)
  assert.deepEqual(all.sumsAtTime('2025-01-01T00:00:00.000000Z').items, [0, 0, 0])
  assert.deepEqual(all.sumsAtTime(stamp(1)).items, [3, 6, 6])
  assert.deepEqual(all.sumsAtPosition(16n).items, [2, 4, 5])
  assert.deepEqual(probeLines('alpha', all.sumsAtPosition(18n)), ['items alpha 2 12 21'])
})

test('rows are equal whatever their order, and each counts', () => {
  mustEqual('rows', ['a', 'b', 'b'], ['b', 'a', 'b'])
  assert.throws(() => mustEqual('rows', ['a', 'b'], ['b', 'a', 'b']), /1 missing:  b/)
  assert.throws(() => mustEqual('rows', ['a', 'a'], ['a']), /1 too many: a/)
})
