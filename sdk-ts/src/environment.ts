/** What the client takes from its surroundings, so that tests can bring their own. */

/** Clock and chance. */
export interface Environment {
  /** A number in [0, 1). */
  random(): number
  /** Milliseconds, for measuring. */
  now(): number
  /** A name nobody else uses. */
  uniqueId(): string
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>
}

/** The real ones. */
export const systemEnvironment: Environment = {
  random: () => Math.random(),
  now: () => performance.now(),
  uniqueId: () => crypto.randomUUID(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const timer = setTimeout(finish, ms)
      signal?.addEventListener('abort', abort, { once: true })
      function finish(): void {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      function abort(): void {
        clearTimeout(timer)
        reject(signal?.reason)
      }
    }),
}
