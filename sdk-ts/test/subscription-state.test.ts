import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CDCBatch } from '../src/change.ts'
import { LakeError } from '../src/error.ts'
import { createLakePosition } from '../src/lsn.ts'
import { next, started, type SubscriptionEvent, type SubscriptionState } from '../src/subscription-state.ts'

const gone = new LakeError({ code: 'unavailable', message: 'gone', retryable: true, noSideEffects: true })
const final = new LakeError({ code: 'position_expired', message: 'old', retryable: false, noSideEffects: true })

function batch(position: bigint): CDCBatch {
  return { events: [], position: createLakePosition(position), sequenceNumber: 1, timestamp: new Date(0), sourceDoId: 'a' }
}

const states: Record<SubscriptionState['kind'], SubscriptionState> = {
  waiting: { kind: 'waiting', resume: 3n, failures: 1 },
  connecting: { kind: 'connecting', resume: 3n, failures: 1 },
  streaming: { kind: 'streaming', resume: 3n, pending: [{ kind: 'batch', batch: batch(5n) }] },
  failed: { kind: 'failed', error: final },
  stopped: { kind: 'stopped' },
}

const events: Record<SubscriptionEvent['kind'], SubscriptionEvent> = {
  dialled: { kind: 'dialled' },
  subscribed: { kind: 'subscribed', position: 3n },
  batch: { kind: 'batch', batch: batch(7n) },
  progress: { kind: 'progress', position: 9n },
  given: { kind: 'given' },
  lost: { kind: 'lost', error: gone, failuresMax: 3 },
  stop: { kind: 'stop' },
}

// Both records are total: a state or an event that is added without its row does not compile.
type Outcome = SubscriptionState['kind'] | 'same'
const table: Record<SubscriptionState['kind'], Record<SubscriptionEvent['kind'], Outcome>> = {
  waiting: {
    dialled: 'connecting',
    subscribed: 'same',
    batch: 'same',
    progress: 'same',
    given: 'same',
    lost: 'same',
    stop: 'stopped',
  },
  connecting: {
    dialled: 'same',
    subscribed: 'streaming',
    batch: 'same',
    progress: 'same',
    given: 'same',
    lost: 'waiting',
    stop: 'stopped',
  },
  streaming: {
    dialled: 'same',
    subscribed: 'same',
    batch: 'streaming',
    progress: 'streaming',
    given: 'streaming',
    lost: 'waiting',
    stop: 'stopped',
  },
  failed: {
    dialled: 'same',
    subscribed: 'same',
    batch: 'same',
    progress: 'same',
    given: 'same',
    lost: 'same',
    stop: 'same',
  },
  stopped: {
    dialled: 'same',
    subscribed: 'same',
    batch: 'same',
    progress: 'same',
    given: 'same',
    lost: 'same',
    stop: 'same',
  },
}

describe('the transition table', () => {
  for (const state of Object.values(states)) {
    for (const event of Object.values(events)) {
      const outcome = table[state.kind][event.kind]
      test(`${event.kind} in ${state.kind}: ${outcome}`, () => {
        const after = next(state, event)
        if (outcome === 'same') assert.equal(after, state)
        else assert.equal(after.kind, outcome)
      })
    }
  }
})

/** What the next connection would ask for after these events. */
function resumeAfter(...happened: SubscriptionEvent[]): bigint | undefined {
  const state = happened.reduce(next, started(3n))
  assert.ok('resume' in state, state.kind)
  return state.resume
}

const dialled: SubscriptionEvent = { kind: 'dialled' }
const given: SubscriptionEvent = { kind: 'given' }
const lost: SubscriptionEvent = { kind: 'lost', error: gone, failuresMax: 3 }
const subscribed = (position: bigint): SubscriptionEvent => ({ kind: 'subscribed', position })
const arrived = (position: bigint): SubscriptionEvent => ({ kind: 'batch', batch: batch(position) })
const progress = (position: bigint): SubscriptionEvent => ({ kind: 'progress', position })

test('the start that the server fixed is kept when the connection is lost', () => {
  assert.equal(resumeAfter(dialled, subscribed(4n), lost), 4n)
})

test('a batch that was not given comes again', () => {
  assert.equal(resumeAfter(dialled, subscribed(4n), arrived(5n), lost), 4n)
})

test('a batch that was given does not come again', () => {
  assert.equal(resumeAfter(dialled, subscribed(4n), arrived(5n), arrived(6n), given, lost), 5n)
})

test('progress moves the start when nothing is pending', () => {
  assert.equal(resumeAfter(dialled, subscribed(4n), progress(9n), lost), 9n)
})

test('progress waits for the batches before it', () => {
  assert.equal(resumeAfter(dialled, subscribed(4n), arrived(5n), progress(9n), lost), 4n)
  assert.equal(resumeAfter(dialled, subscribed(4n), arrived(5n), progress(9n), given, lost), 9n)
})

test('progress does not pile up behind a batch', () => {
  const state = [dialled, subscribed(4n), arrived(5n), progress(6n), progress(7n), progress(8n)].reduce(next, started(3n))
  assert.ok(state.kind === 'streaming')
  assert.deepEqual(state.pending.slice(1), [{ kind: 'progress', position: 8n }])
})

test('failures in a row are counted, and too many are final', () => {
  const twice = [dialled, lost, dialled, lost].reduce(next, started(3n))
  assert.deepEqual(twice, { kind: 'waiting', resume: 3n, failures: 2 })
  assert.equal([dialled, lost, dialled, lost].reduce(next, twice).kind, 'failed')
})

test('a connection that streamed ends the row of failures', () => {
  assert.deepEqual([dialled, lost, dialled, lost, dialled, subscribed(4n), lost].reduce(next, started(3n)), {
    kind: 'waiting',
    resume: 4n,
    failures: 1,
  })
})

test('an error that cannot pass is final at once', () => {
  const state = [dialled, { kind: 'lost', error: final, failuresMax: 3 } as const].reduce(next, started(3n))
  assert.deepEqual(state, { kind: 'failed', error: final })
})
