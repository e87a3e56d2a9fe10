/** A client in surroundings that a test controls: no real waiting, known chance. */

import { type Environment, systemEnvironment } from '../src/environment.ts'
import { LakeClient, type LakeClientConfig } from '../src/client.ts'

/** Surroundings that write down how long they were asked to wait. */
export interface Surroundings extends Environment {
  readonly slept: number[]
}

/** Chance is always 0.5. Waits of less than `real` ms are over at once, longer ones (time limits) are real. */
export function surroundings(real = 10_000): Surroundings {
  const slept: number[] = []
  let ids = 0
  return {
    slept,
    random: () => 0.5,
    now: () => 0,
    uniqueId: () => `id-${(ids += 1)}`,
    sleep: (ms, signal) => {
      if (ms >= real) return systemEnvironment.sleep(ms, signal)
      slept.push(ms)
      return signal?.aborted ? Promise.reject(signal.reason) : Promise.resolve()
    },
  }
}

/** A client of a test server. */
export function clientOf(url: string, config: Partial<LakeClientConfig> = {}, environment: Environment = surroundings()): LakeClient {
  return new LakeClient({ url, token: 'a.b-c', ...config }, environment)
}
