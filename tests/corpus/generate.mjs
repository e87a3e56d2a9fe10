// Makes statements from a seed: typed expressions and aggregates over one table of every type, also ones that fail.
//
//   node tests/corpus/generate.mjs 1 > tests/corpus/select/generated.sql
const seed = Number(process.argv[2] ?? 1)
const count = Number(process.argv[3] ?? 760)
let state = BigInt(seed)
function random(limit) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n)
  return Number((state >> 33n) % BigInt(limit))
}
const pick = (items) => items[random(items.length)]
const leaves = {
  int: ['i', 'j', '0', '1', '7', '-3', '100', 'NULL::int', 'id', 'length(s)'],
  big: ['b', 'b + 1', '5000000000', 'i::int8', '-1::int8'],
  num: ['n', 'm', '1.5', '-0.25', '100.00', 'i::numeric', 'NULL::numeric', 'round(n, 1)'],
  flo: ['f', 'f * 2', '0.5::float8', 'i::float8', "'NaN'::float8", 'abs(f)'],
  txt: ['s', 't', "'abc'", "''", "'B'", 'upper(s)', 'NULL::text', "s || '-'", 'i::text'],
  boo: ['x', 'true', 'i > 3', 'NULL::bool', 's IS NULL'],
  dat: ['d', "'2024-02-29'::date", 'd + 1', 'NULL::date'],
  tim: ['at', "'2024-01-31 12:00'::timestamp", "at + interval '1 month'", "date_trunc('day', at)"],
}
const operations = {
  int: [
    (e) => `(${e('int')} + ${e('int')})`, (e) => `(${e('int')} - ${e('int')})`, (e) => `(${e('int')} * ${e('int')})`,
    (e) => `(${e('int')} / ${e('int')})`, (e) => `(${e('int')} % ${e('int')})`, (e) => `abs(${e('int')})`,
    (e) => `coalesce(${e('int')}, ${e('int')})`, (e) => `CASE WHEN ${e('boo')} THEN ${e('int')} ELSE ${e('int')} END`,
    (e) => `nullif(${e('int')}, ${e('int')})`, (e) => `greatest(${e('int')}, ${e('int')})`, (e) => `(${e('num')})::int`,
    (e) => `length(${e('txt')})`, (e) => `(${e('dat')} - ${e('dat')})`, (e) => `strpos(${e('txt')}, ${e('txt')})`,
    (e) => `(${e('int')} & ${e('int')})`, (e) => `(-${e('int')})`,
  ],
  big: [
    (e) => `(${e('big')} + ${e('int')})`, (e) => `(${e('big')} * ${e('int')})`, (e) => `(${e('big')} / ${e('big')})`,
    (e) => `coalesce(${e('big')}, 0)`, (e) => `(${e('num')})::int8`,
  ],
  num: [
    (e) => `(${e('num')} + ${e('num')})`, (e) => `(${e('num')} - ${e('int')})`, (e) => `(${e('num')} * ${e('num')})`,
    (e) => `(${e('num')} / ${e('num')})`, (e) => `(${e('num')} % ${e('num')})`, (e) => `round(${e('num')}, ${random(4)})`,
    (e) => `trunc(${e('num')}, 1)`, (e) => `ceil(${e('num')})`, (e) => `floor(${e('num')})`, (e) => `abs(${e('num')})`,
    (e) => `(${e('num')})::numeric(12,3)`, (e) => `least(${e('num')}, ${e('int')})`, (e) => `sign(${e('num')})`,
    (e) => `extract(month from ${e('dat')})`, (e) => `extract(epoch from ${e('tim')})`,
  ],
  flo: [
    (e) => `(${e('flo')} + ${e('flo')})`, (e) => `(${e('flo')} * ${e('int')})`, (e) => `(${e('flo')} - ${e('num')})`,
    (e) => `round(${e('flo')})`, (e) => `floor(${e('flo')})`, (e) => `coalesce(${e('flo')}, 1)`, (e) => `sqrt(abs(${e('flo')}))`,
    (e) => `(${e('flo')} / ${e('flo')})`,
  ],
  txt: [
    (e) => `(${e('txt')} || ${e('txt')})`, (e) => `upper(${e('txt')})`, (e) => `lower(${e('txt')})`, (e) => `left(${e('txt')}, ${random(5) - 2})`,
    (e) => `substr(${e('txt')}, ${random(4)}, ${random(4)})`, (e) => `replace(${e('txt')}, 'b', 'xx')`, (e) => `trim(${e('txt')})`,
    (e) => `lpad(${e('txt')}, ${random(8)}, '*')`, (e) => `reverse(${e('txt')})`, (e) => `coalesce(${e('txt')}, 'none')`,
    (e) => `(${e('int')})::text`, (e) => `(${e('num')})::text`, (e) => `(${e('boo')})::text`, (e) => `(${e('dat')})::text`,
    (e) => `concat(${e('txt')}, ${e('int')}, ${e('boo')})`, (e) => `split_part(${e('txt')}, 'b', 1)`, (e) => `(${e('flo')})::text`,
  ],
  boo: [
    (e) => `(${e('int')} < ${e('int')})`, (e) => `(${e('num')} = ${e('int')})`, (e) => `(${e('txt')} < ${e('txt')})`,
    (e) => `(${e('boo')} AND ${e('boo')})`, (e) => `(${e('boo')} OR ${e('boo')})`, (e) => `(NOT ${e('boo')})`,
    (e) => `(${e('txt')} LIKE '%b%')`, (e) => `(${e('int')} BETWEEN 0 AND 5)`, (e) => `(${e('int')} IN (1, 2, 7))`,
    (e) => `(${e('num')} IS DISTINCT FROM ${e('num')})`, (e) => `(${e('txt')} IS NULL)`, (e) => `(${e('dat')} > ${e('dat')})`,
    (e) => `(${e('flo')} >= ${e('num')})`, (e) => `(${e('txt')} ILIKE 'A%')`, (e) => `(${e('boo')} IS NOT TRUE)`,
    (e) => `(${e('tim')} < ${e('dat')})`, (e) => `(${e('int')} = ANY (ARRAY[1, 7]))`,
  ],
  dat: [(e) => `(${e('dat')} + ${random(60)})`, (e) => `(${e('tim')})::date`, (e) => `coalesce(${e('dat')}, ${e('dat')})`],
  tim: [
    (e) => `(${e('tim')} + interval '${random(40)} days')`, (e) => `date_trunc('${pick(['hour', 'day', 'month', 'year', 'week'])}', ${e('tim')})`,
    (e) => `(${e('dat')} + interval '${random(14)} months')`, (e) => `(${e('tim')} - interval '90 minutes')`,
  ],
}
const types = Object.keys(leaves)
function expression(type, depth) {
  if (depth <= 0 || random(4) === 0) return pick(leaves[type])
  return pick(operations[type])((inner) => expression(inner, depth - 1))
}
const aggregates = [
  () => `count(${expression(pick(types), 1)})`, () => `count(DISTINCT ${pick(['i', 's', 'n', 'x', 'd'])})`, () => `sum(${expression('int', 1)})`,
  () => `sum(${expression('num', 1)})`, () => `avg(${expression('int', 1)})`, () => `avg(${expression('num', 1)})`, () => `min(${expression('txt', 1)})`,
  () => `max(${expression('num', 1)})`, () => `min(${expression('dat', 1)})`, () => `max(${expression('tim', 1)})`, () => `bool_and(${expression('boo', 1)})`,
  () => `bool_or(${expression('boo', 1)})`, () => `string_agg(s, ',' ORDER BY id)`, () => `sum(b)`, () => `avg(b)`, () => `max(f)`, () => `count(*)`,
  () => `sum(${expression('int', 1)}) FILTER (WHERE ${expression('boo', 1)})`,
]
const wrong = [
  () => `SELECT ${expression('txt', 1)} + ${expression('int', 1)} FROM g`, () => `SELECT ${expression('dat', 0)} * 2 FROM g`,
  () => `SELECT s, count(*) FROM g GROUP BY i`, () => `SELECT i FROM g WHERE ${expression('int', 1)}`, () => `SELECT nosuch${random(9)} FROM g`,
  () => `SELECT upper(${expression('int', 1)}) FROM g`, () => `SELECT CASE WHEN x THEN ${expression('int', 0)} ELSE s END FROM g`,
  () => `SELECT i FROM g WHERE sum(i) > 0`, () => `SELECT ${expression('boo', 0)} + 1 FROM g`, () => `SELECT coalesce(i, s) FROM g`,
]
const lines = [
  `-- Made by generate.mjs ${seed} ${count}.`,
  'CREATE TABLE g (id int PRIMARY KEY, i int, j int, b int8, n numeric(12,3), m numeric(20,6), f float8, s text, t text, x boolean, d date, at timestamp);',
  `INSERT INTO g VALUES (1, 5, -2, 9007199254740993, 12.500, 0.000001, 1.5, 'abc', 'Xyz', true, '2024-01-31', '2024-01-31 23:59:59.5'), (2, 0, 7, -1, -3.125, 12345.678900, -0.25, 'B', 'b b', false, '2023-12-25', '2023-03-01 00:00:00'), (3, NULL, 1, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL), (4, 2, 2, 5000000000, 100.000, 100, 1e10, 'abc', 'abc', true, '2024-02-29', '2024-02-29 12:34:56.789012'), (5, -7, 3, 0, 0.001, -0.5, 0, '', 'héllo', false, '2000-01-01', '1999-12-31 23:59:59');`,
  '-- queries',
]
for (let index = 0; index < count; index += 1) {
  const kind = random(10)
  if (kind < 5) {
    const list = Array.from({ length: 1 + random(3) }, () => expression(pick(types), 2)).join(', ')
    lines.push(`SELECT id, ${list} FROM g${random(3) === 0 ? ` WHERE ${expression('boo', 2)}` : ''} ORDER BY id;`)
  } else if (kind < 7) {
    const list = Array.from({ length: 1 + random(3) }, () => pick(aggregates)()).join(', ')
    lines.push(`SELECT ${list} FROM g${random(2) === 0 ? ` WHERE ${expression('boo', 1)}` : ''};`)
  } else if (kind < 8) {
    const key = expression(pick(['int', 'txt', 'boo', 'num', 'dat']), 1)
    lines.push(`SELECT ${key} AS k, ${pick(aggregates)()} FROM g GROUP BY ${key} ORDER BY 1, 2;`)
  } else if (kind < 9) {
    const key = expression(pick(types), 1)
    lines.push(`SELECT id FROM g ORDER BY ${key}${pick(['', ' DESC', ' NULLS FIRST'])}, id;`)
  } else {
    lines.push(`${pick(wrong)()};`)
  }
}
console.log(lines.join('\n'))
