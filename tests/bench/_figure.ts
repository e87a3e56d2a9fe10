/** What every benchmark shares: the lake that it was given, and how a figure is printed. */

import { createLakeClient, type LakeClient } from '../../sdk-ts/src/index.ts'

/** A client of the lake that `cargo xtask bench` started. */
export function lakeOfRun(): LakeClient {
  return createLakeClient({ url: setting('LAKE_URL'), token: setting('LAKE_TOKEN') })
}

/** What `cargo xtask bench` said. */
export function setting(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: run this with \`cargo xtask bench\``)
  return value
}

/** Prints a figure; `peer` is what it is compared with and `ratio` how many times its value this is. */
export function figure(name: string, value: number, unit: string, peer: string | null = null, ratio: number | null = null): void {
  console.log(JSON.stringify({ name, value: Number(value.toPrecision(4)), unit, peer, ratio: ratio && Number(ratio.toPrecision(3)) }))
}

/** The value that this share of all is at most. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Milliseconds that something took. */
export async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

/** Goes on after this many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, milliseconds))
}
