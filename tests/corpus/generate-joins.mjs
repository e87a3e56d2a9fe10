// Makes joins, subqueries, set operations, windows and writes from a seed, over two small tables.
//
//   node tests/corpus/generate-joins.mjs 1 > tests/corpus/cases/joins.sql
const seed = Number(process.argv[2] ?? 1)
const count = Number(process.argv[3] ?? 300)
let state = BigInt(seed)
function random(limit) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n)
  return Number((state >> 33n) % BigInt(limit))
}
const pick = (items) => items[random(items.length)]
const number = (t) => pick([`${t}.a`, `${t}.b`, `${t}.n`, `${t}.a + 1`, `${t}.b * 2`, `coalesce(${t}.b, 0)`, `${t}.n / 4`, String(random(5))])
const text = (t) => pick([`${t}.s`, `upper(${t}.s)`, `${t}.s || 'x'`, `'b'`, `coalesce(${t}.s, '-')`])
const column = (t) => pick([`${t}.id`, `${t}.a`, `${t}.b`, `${t}.n`, `${t}.s`, `${t}.d`])
const test = (t) =>
  pick([
    () => `${number(t)} ${pick(['<', '>', '=', '<=', '<>'])} ${number(t)}`, () => `${t}.s ${pick(['=', '<', '>='])} ${text(t)}`,
    () => `${t}.b IS ${pick(['', 'NOT '])}NULL`, () => `${t}.s LIKE '${pick(['a%', '%b', '_', '%'])}'`, () => `${t}.a IN (1, 2, ${random(5)})`,
    () => `${t}.d ${pick(['<', '>'])} '2024-0${1 + random(9)}-01'`, () => `NOT (${t}.a = ${random(4)})`, () => `${t}.n BETWEEN 1 AND ${random(9)}.5`,
  ])()
const on = () => pick(['l.a = r.a', 'l.b = r.b', 'l.n = r.n', 'l.s = r.s', 'l.a = r.b AND l.s = r.s', 'l.a < r.a', 'l.id = r.a OR l.b = r.b', 'l.d = r.d'])
const join = () => pick(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'])
const aggregate = (t) => pick([`count(*)`, `count(${column(t)})`, `sum(${number(t)})`, `max(${column(t)})`, `min(${column(t)})`, `avg(${number(t)})`, `count(DISTINCT ${column(t)})`, `string_agg(${t}.s, '|' ORDER BY ${t}.id)`])
const window = (t) => pick([`row_number() OVER (ORDER BY ${t}.id)`, `rank() OVER (PARTITION BY ${t}.a ORDER BY ${t}.n)`, `sum(${number(t)}) OVER (PARTITION BY ${t}.s)`, `lag(${column(t)}) OVER (ORDER BY ${t}.id)`, `count(*) OVER (ORDER BY ${t}.b)`, `max(${t}.n) OVER (ORDER BY ${t}.id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)`, `dense_rank() OVER (ORDER BY ${t}.s DESC)`, `first_value(${t}.s) OVER (PARTITION BY ${t}.a ORDER BY ${t}.id)`])
const subquery = () => `SELECT ${pick(['r.a', 'r.b', 'r.id'])} FROM r WHERE ${test('r')}`
const statements = [
  () => `SELECT l.id, r.id, ${column('l')}, ${column('r')} FROM l ${join()} r ON ${on()} WHERE ${test('l')} ORDER BY l.id, r.id`,
  () => `SELECT l.id, r.id FROM l ${join()} r ON ${on()} AND ${test('r')} ORDER BY 1, 2`,
  () => `SELECT l.id FROM l WHERE ${number('l')} ${pick(['IN', 'NOT IN'])} (${subquery()}) ORDER BY 1`,
  () => `SELECT l.id FROM l WHERE ${pick(['', 'NOT '])}EXISTS (SELECT 1 FROM r WHERE ${on()} AND ${test('r')}) ORDER BY 1`,
  () => `SELECT l.id, (SELECT ${aggregate('r')} FROM r WHERE ${on()}) AS x FROM l ORDER BY 1`,
  () => `SELECT l.id FROM l WHERE ${number('l')} ${pick(['>', '<=', '='])} ${pick(['ANY', 'ALL'])} (${subquery()}) ORDER BY 1`,
  () => `SELECT ${column('l')} AS k, ${aggregate('r')} AS v FROM l ${join()} r ON ${on()} GROUP BY 1 ORDER BY 1, 2`.replace(/AS k, (.*) GROUP BY 1/, 'AS k, $1 GROUP BY 1'),
  () => `SELECT ${pick(['l.a', 'l.s', 'l.b', 'l.n'])} AS k, ${aggregate('l')} FROM l GROUP BY k HAVING ${pick(['count(*) > 1', 'max(l.a) > 1', 'min(l.s) IS NOT NULL'])} ORDER BY 1`,
  () => {
    // Equal numerics that print differently have no order among themselves: one scale on both sides.
    const scaled = random(2) === 0
    const side = () => (scaled ? 'n::numeric(14,4)' : pick(['a', 'b', 'id', 's']))
    return `SELECT ${side()} FROM l ${pick(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} SELECT ${side()} FROM r ORDER BY 1`
  },
  () => `SELECT DISTINCT ${column('l')} AS x, ${column('l')} AS y FROM l WHERE ${test('l')} ORDER BY 1, 2`,
  () => `SELECT l.id, ${window('l')} AS w FROM l ORDER BY l.id`,
  () => `WITH q AS (SELECT l.a AS k, ${aggregate('l')} AS v FROM l GROUP BY l.a) SELECT q.k, q.v, r.id FROM q ${join()} r ON q.k = r.a ORDER BY 1, 3`,
  () => `SELECT t.k, count(*) FROM (SELECT ${column('l')} AS k FROM l UNION ALL SELECT ${'NULL'}) AS t GROUP BY t.k ORDER BY 1`,
  () => `SELECT * FROM l NATURAL ${pick(['', 'LEFT '])}JOIN (SELECT id, a AS ra FROM r) q ORDER BY id`,
  () => `SELECT id, q.a FROM l ${join()} (SELECT id, a FROM r) q USING (id) ORDER BY id`,
  () => `UPDATE l SET b = ${pick(['b + 1', 'a', 'NULL', '(SELECT count(*) FROM r WHERE r.a = l.a)', '(SELECT max(x.b) FROM l x WHERE x.id < l.id)'])}, n = ${pick(['n * 1.5', 'n', 'a', '1.005'])} WHERE ${test('l')} RETURNING id, b, n`,
  () => `UPDATE l SET s = r.s FROM r WHERE l.id = r.id AND ${test('r')} RETURNING l.id, l.s`,
  () => `DELETE FROM r WHERE ${test('r')} AND id > ${4 + random(6)} RETURNING *`,
  () => `INSERT INTO r SELECT id + ${10 + random(90)}, a, b, n, s, d FROM l WHERE ${test('l')} ON CONFLICT (id) DO ${pick(['NOTHING', 'UPDATE SET a = excluded.a + r.a'])} RETURNING id, a`,
]
const lines = [
  `-- Made by generate-joins.mjs ${seed} ${count}.`,
  'CREATE TABLE l (id int PRIMARY KEY, a int, b int8, n numeric(8,2), s text, d date);',
  'CREATE TABLE r (id int PRIMARY KEY, a int, b int8, n numeric(12,4), s varchar(10), d date);',
  `INSERT INTO l VALUES (1, 1, 10, 1.50, 'a', '2024-01-01'), (2, 1, NULL, 2.00, 'b', '2024-05-05'), (3, 2, 3, 1.50, NULL, NULL), (4, NULL, 3, 7.25, 'ab', '2023-12-31'), (5, 3, 0, NULL, 'B', '2024-09-09'), (6, 0, -1, 0.00, '', '2024-01-01');`,
  `INSERT INTO r VALUES (1, 1, 3, 1.5000, 'a', '2024-01-01'), (2, 2, 10, 2.0001, 'b', NULL), (3, 2, NULL, 7.2500, 'ab', '2024-05-05'), (4, 4, 0, NULL, NULL, '2023-12-31'), (5, NULL, 1, 0.0000, '', '2024-09-09');`,
]
for (let index = 0; index < count; index += 1) lines.push(`${pick(statements)()};`)
console.log(lines.join('\n'))
