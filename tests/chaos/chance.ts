/**
 * Chance from a seed: what is written, when the runtime is killed and what is asked again follow from it.
 *
 * The machine's timing does not, so a seed repeats the plan of a run and not each interleaving of it.
 */

/** A stream of choices; mulberry32. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** True in this share of all cases. */
  is(share: number): boolean {
    return this.next() < share
  }

  /** One of them. */
  oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.between(0, choices.length - 1)]
    if (choice === undefined) throw new RangeError('there is nothing to choose from')
    return choice
  }

  /** Another stream, which takes nothing more from this one however long it is used. */
  fork(): Chance {
    return new Chance(this.between(0, 2 ** 32 - 1))
  }
}
