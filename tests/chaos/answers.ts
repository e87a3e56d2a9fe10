/**
 * Answers of the lake while there was load: each has to be what the ledger holds at that moment, once that is known, and
 * those that were final have to stay what they were.
 */

import type { LakeClient } from '../../sdk-ts/src/index.ts'
import { PROBE, probeLines, type Sums } from './bank.ts'
import type { Chance } from './chance.ts'
import type { Ledger } from './ledger.ts'
import { mustEqual } from './wrong.ts'

/** A moment of the past as it was asked for, and as the ledger knows it. */
export type Moment =
  | { readonly kind: 'time'; readonly time: Date }
  | { readonly kind: 'position'; readonly position: bigint }
  | { readonly kind: 'snapshot'; readonly snapshot: string; readonly position: bigint }

interface Answer {
  readonly namespace: string
  readonly moment: Moment
  readonly lines: readonly string[]
}

/** Final answers that are asked for again. */
const REMEMBERED = 40

/** All answers of a run. */
export class Answers {
  readonly #client: LakeClient
  readonly #ledgers: readonly Ledger[]
  readonly #chance: Chance
  /** Not compared with the ledger yet. */
  #fresh: Answer[] = []
  readonly #remembered: Answer[] = []
  /** Positions that an answer showed, of whatever namespace. */
  readonly #positions: bigint[] = [0n]
  /** How many were compared with the ledger. */
  compared = 0
  /** How many were asked for again. */
  askedAgain = 0

  constructor(client: LakeClient, ledgers: readonly Ledger[], chance: Chance) {
    this.#client = client
    this.#ledgers = ledgers
    this.#chance = chance
  }

  /** Asks for the present. */
  async askNow(namespace: string): Promise<void> {
    const { lines, position } = await this.#ask(namespace, undefined)
    const answer: Answer = { namespace, moment: { kind: 'position', position }, lines }
    this.#fresh.push(answer)
    this.#remember(answer)
    this.#positions.push(position)
  }

  /** Asks for a moment of the past. */
  async askPast(namespace: string, moment: Moment): Promise<void> {
    const { lines, isFinal } = await this.#ask(namespace, moment)
    if (!isFinal) return
    const answer = { namespace, moment, lines }
    this.#fresh.push(answer)
    this.#remember(answer)
  }

  /** Compares what has been answered with the ledger, which is settled and knows all positions. */
  compare(): void {
    for (const { namespace, moment, lines } of this.#fresh) {
      mustEqual(`our SQL, ${namespace}, ${shown(moment)}`, lines, this.#expected(namespace, moment))
    }
    this.compared += this.#fresh.length
    this.#fresh = []
  }

  /** Asks again for some of the final answers. */
  async askAgain(count: number): Promise<void> {
    const some = Array.from({ length: Math.min(count, this.#remembered.length) }, () => this.#chance.oneOf(this.#remembered))
    for (const { namespace, moment, lines } of count >= REMEMBERED ? this.#remembered : some) {
      const again = await this.#ask(namespace, moment)
      mustEqual(`our SQL, ${namespace}, ${shown(moment)}, asked again`, again.lines, lines)
      this.askedAgain += 1
    }
  }

  /** A position at which the lake has been. */
  aPosition(): bigint {
    return this.#chance.oneOf(this.#positions)
  }

  /** A remembered answer to a time, for other engines. */
  aTime(namespace: string): { time: Date; lines: readonly string[] } | undefined {
    const times = this.#remembered.flatMap(({ namespace: of, moment, lines }) => {
      return of === namespace && moment.kind === 'time' ? [{ time: moment.time, lines }] : []
    })
    return times.length === 0 ? undefined : this.#chance.oneOf(times)
  }

  async #ask(namespace: string, moment: Moment | undefined): Promise<{ lines: string[]; position: bigint; isFinal: boolean }> {
    const answer = await this.#client.query(PROBE, { namespace, asOf: moment && asOf(moment) })
    const lines = answer.rows.map(row => [row['what'], row['shard'], row['rows'], row['a'], row['b']].join(' '))
    return { lines: lines.toSorted(), position: answer.position ?? 0n, isFinal: answer.final }
  }

  #expected(namespace: string, moment: Moment): string[] {
    const ledgers = this.#ledgers.filter(ledger => ledger.namespace === namespace)
    return ledgers.flatMap(ledger => probeLines(ledger.database, sumsAt(ledger, moment))).toSorted()
  }

  #remember(answer: Answer): void {
    if (this.#remembered.length < REMEMBERED) this.#remembered.push(answer)
    else if (this.#chance.is(0.1)) this.#remembered[this.#chance.between(0, REMEMBERED - 1)] = answer
  }
}

function sumsAt(ledger: Ledger, moment: Moment): Sums {
  return moment.kind === 'time' ? ledger.sumsAtTime(exactly(moment.time)) : ledger.sumsAtPosition(moment.position)
}

/** A time as stamps are written, with microseconds. */
export function exactly(time: Date): string {
  return time.toISOString().replace('Z', '000Z')
}

function asOf(moment: Moment): Date | bigint | string {
  switch (moment.kind) {
    case 'time':
      return moment.time
    case 'position':
      return moment.position
    case 'snapshot':
      return moment.snapshot
  }
}

function shown(moment: Moment): string {
  switch (moment.kind) {
    case 'time':
      return `as of ${exactly(moment.time)}`
    case 'position':
      return `at position ${moment.position}`
    case 'snapshot':
      return `at snapshot ${moment.snapshot}, position ${moment.position}`
  }
}
