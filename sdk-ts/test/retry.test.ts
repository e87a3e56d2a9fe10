import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LakeError } from '../src/error.ts'
import { backoffMs, planRetry, type Repeatable, retryPolicy } from '../src/retry.ts'

const policy = retryPolicy()

describe('a request is repeated', () => {
  function check(
    name: string,
    facts: { attempt?: number; retryable: boolean; noSideEffects: boolean; repeatable: Repeatable },
    again: boolean,
  ): void {
    test(`${again ? '' : 'not '}${name}`, () => {
      const { attempt = 1, repeatable, ...rest } = facts
      const error = new LakeError({ code: 'x', message: 'x', ...rest })
      assert.equal(planRetry(policy, attempt, error, repeatable, 0.5) !== undefined, again)
    })
  }
  check('if it is safe, though its outcome is unknown', { retryable: true, noSideEffects: false, repeatable: 'safe' }, true)
  check('if nothing happened', { retryable: true, noSideEffects: true, repeatable: 'unsafe' }, true)
  check('if something may have happened', { retryable: true, noSideEffects: false, repeatable: 'unsafe' }, false)
  check('if it can never succeed', { retryable: false, noSideEffects: true, repeatable: 'safe' }, false)
  check('a third time', { attempt: 3, retryable: true, noSideEffects: true, repeatable: 'safe' }, true)
  check('a fourth time', { attempt: 4, retryable: true, noSideEffects: true, repeatable: 'safe' }, false)
})

test('delays double up to the greatest, and chance takes its part', () => {
  assert.deepEqual(
    [1, 2, 3, 7, 1_000].map(attempt => backoffMs(policy, attempt, 0.5)),
    [50, 100, 200, 2_500, 2_500],
  )
  assert.equal(backoffMs(policy, 1, 0), 0)
  assert.equal(backoffMs(policy, 1, 0.999), 99)
})
