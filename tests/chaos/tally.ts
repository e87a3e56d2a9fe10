/** What a run has counted. */

/** Counts of one lake, or of several. */
export interface Tally {
  readonly kills: number
  readonly acknowledged: number
  /** Requests whose answer was lost. */
  readonly inDoubt: number
  /** Of those that were never sent again: how many were there, and how many not. */
  readonly found: number
  readonly absent: number
  /** Changes that were compared in the history tables. */
  readonly changes: number
  /** Answers compared with the ledger at their moment, and final ones asked for again. */
  readonly answers: number
  readonly askedAgain: number
  /** Changes that subscribers saw, and how often one had to start anew. */
  readonly delivered: number
  readonly resyncs: number
}

/** Before the first kill. */
export const nothingYet: Tally = {
  kills: 0,
  acknowledged: 0,
  inDoubt: 0,
  found: 0,
  absent: 0,
  changes: 0,
  answers: 0,
  askedAgain: 0,
  delivered: 0,
  resyncs: 0,
}

/** Both together. */
export function sum(one: Tally, other: Tally): Tally {
  const names = Object.keys(nothingYet) as (keyof Tally)[]
  return Object.fromEntries(names.map(name => [name, one[name] + other[name]])) as unknown as Tally
}

/** For a reader. Nothing is lost or doubled in a run that gets here: the first one ends it. */
export function summaryOf(tally: Tally): string {
  const n = (count: number): string => count.toLocaleString('en-US')
  return [
    `${n(tally.kills)} kills, ${n(tally.acknowledged)} transactions acknowledged, 0 lost, 0 doubled`,
    `  ${n(tally.inDoubt)} answers lost; of the requests never sent again ${n(tally.found)} were there wholly, ${n(tally.absent)} not at all`,
    `  ${n(tally.changes)} changes in history, equal in our SQL and in DuckDB; ${n(tally.delivered)} delivered to subscribers, ${n(tally.resyncs)} resyncs`,
    `  ${n(tally.answers)} answers of our SQL equal to the ledger at their moment; ${n(tally.askedAgain)} final ones asked for again, all unchanged`,
  ].join('\n')
}
