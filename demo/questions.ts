/** What every engine is asked. Only SQL that all of them read, and values that all of them hold exactly. */

/** A question; `{flights}` stands for what an engine calls the table. */
export interface Question {
  readonly title: string
  readonly sql: string
  readonly tables: readonly string[]
}

/** Asked before and after the updates, and of the past. */
export const byCarrier: Question = {
  title: 'flights and delays by carrier',
  tables: ['flights'],
  sql: `
    SELECT carrier, count(*) AS flights, sum(arr_delay) AS delay, max(distance) AS longest
    FROM {flights} GROUP BY carrier ORDER BY carrier`,
}

/** All of them. */
export const questions: readonly Question[] = [
  byCarrier,
  {
    title: 'a join of flights, airlines and planes',
    tables: ['flights', 'airlines', 'planes'],
    sql: `
      SELECT a.name, count(*) AS flights, count(p.tailnum) AS known_planes, min(p.year) AS oldest
      FROM {flights} f JOIN {airlines} a ON a.carrier = f.carrier LEFT JOIN {planes} p ON p.tailnum = f.tailnum
      WHERE f.month = 7 GROUP BY a.name ORDER BY a.name`,
  },
  {
    title: 'the last hours on record with the strongest wind',
    tables: ['weather'],
    sql: `
      SELECT time_hour, origin, wind_dir FROM {weather}
      WHERE wind_speed > 35 ORDER BY time_hour DESC, origin LIMIT 5`,
  },
]

/** The question of the past over history, for engines that know nothing of `asOf`: the last change of each key. */
export function overHistory(question: Question, until: string): Question {
  const lastChanges = `(
    SELECT * FROM (
      SELECT *, row_number() OVER (PARTITION BY _shard, time_hour, carrier, flight ORDER BY _position DESC) AS n
      FROM {flights_history} WHERE _commit_timestamp <= TIMESTAMPTZ '${until}')
    WHERE n = 1 AND _operation <> 'DELETE')`
  return {
    title: `${question.title}, from history`,
    tables: ['flights_history'],
    sql: question.sql.replace('{flights}', lastChanges),
  }
}

/** The question as one engine reads it. */
export function named(question: Question): string {
  return question.sql.replace(/\{(\w+)\}/g, '$1')
}
