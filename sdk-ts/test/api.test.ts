import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkedInApi, publicApi } from '../tools/api.ts'

test('the public API is what api.txt says', () => {
  assert.equal(publicApi(), checkedInApi(), 'if it was meant to change: npm run api -w sdk-ts')
})
