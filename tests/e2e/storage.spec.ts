// The S3 facade as clients write to it: every kind of body, lies in each, uploads in parts, deletes, stock clients.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Payload, S3, derive } from './s3.ts'
import { Server, python } from './server.ts'

const MIB = 1 << 20
const MINE = 'warehouse/default/mine'

let lake: Server
let mine: S3
before(async () => {
  lake = await Server.start()
  mine = new S3(lake.url, derive(MINE, 'write'))
})
after(() => lake.stop())

async function isThere(key: string): Promise<boolean> {
  return (await mine.send('HEAD', key)).status === 200
}

/** Bytes that are all different from block to block, so that a lost or doubled one is seen. */
const small = Buffer.from('a few bytes')
const large = randomBytes(3 * MIB + 17)

describe('a body of any kind is stored as it was meant', () => {
  for (const payload of ['hash', 'unsigned', 'chunks', 'chunks-trailer', 'unsigned-trailer'] satisfies Payload[]) {
    for (const [size, body] of Object.entries({ empty: Buffer.alloc(0), small, large })) {
      test(`${payload}, ${size}`, async () => {
        const key = `${MINE}/data/${payload}-${size}`
        const put = await mine.send('PUT', key, { body, payload })
        assert.equal(put.status, 200, put.body.toString())
        const got = await mine.send('GET', key)
        assert.ok(got.body.equals(body))
        assert.equal(got.headers['etag'], put.headers['etag'])
        assert.equal((await mine.send('HEAD', key)).headers['content-length'], String(body.length))
      })
    }
  }
})

describe('a body that lies leaves what was there', () => {
  const cases: [Payload, string][] = [
    ['hash', 'XAmzContentSHA256Mismatch'],
    ['chunks', 'SignatureDoesNotMatch'],
    ['chunks-trailer', 'SignatureDoesNotMatch'],
    ['unsigned-trailer', 'BadDigest'],
  ]
  for (const [payload, code] of cases) {
    for (const [size, body] of Object.entries({ small, large })) {
      test(`${payload}, ${size}`, async () => {
        const key = `${MINE}/data/lie-${payload}-${size}`
        const lie = Buffer.from(body)
        // In the last byte, when all others are on their way.
        lie[lie.length - 1]! ^= 1
        const put = await mine.send('PUT', key, { body, lie, payload })
        assert.deepEqual([put.status, put.code], [code.startsWith('Sig') ? 403 : 400, code])
        assert.equal(await isThere(key), false)
        await mine.send('PUT', key, { body: Buffer.from('before') })
        assert.equal((await mine.send('PUT', key, { body, lie, payload })).code, code)
        assert.equal((await mine.send('GET', key)).body.toString(), 'before')
      })
    }
  }

  test('a checksum in a header', async () => {
    const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' }
    const put = await mine.send('PUT', `${MINE}/data/crc`, { body: large, headers })
    assert.deepEqual([put.status, put.code, await isThere(`${MINE}/data/crc`)], [400, 'BadDigest', false])
  })
})

test('a body that ends early leaves what was there', async () => {
  const key = `${MINE}/data/early`
  await mine.send('PUT', key, { body: Buffer.from('before') })
  await assert.rejects(mine.send('PUT', key, { body: large, cut: 2 * MIB }))
  assert.equal((await mine.send('GET', key)).body.toString(), 'before')
})

test('conditions of writes hold', async () => {
  const key = `${MINE}/data/condition`
  const put = (headers: Record<string, string>, body = small) => mine.send('PUT', key, { body, headers })
  const first = await put({ 'if-none-match': '*' })
  assert.equal(first.status, 200)
  assert.equal((await put({ 'if-none-match': '*' })).code, 'PreconditionFailed')
  assert.equal((await put({ 'if-none-match': '*' }, large)).code, 'PreconditionFailed')
  assert.equal((await put({ 'if-match': '"00"' })).code, 'PreconditionFailed')
  assert.equal((await put({ 'if-match': String(first.headers['etag']) }, large)).status, 200)
  assert.ok((await mine.send('GET', key)).body.equals(large))
  // The bucket removes without conditions: what is asked for with one is not done.
  for (const condition of ['if-match', 'x-amz-if-match-size', 'x-amz-if-match-last-modified-time']) {
    assert.equal((await mine.send('DELETE', key, { headers: { [condition]: '"00"' } })).code, 'NotImplemented', condition)
    assert.ok(await isThere(key), condition)
  }
})

test('a range of any size is a part of the object, or none', async () => {
  const key = `${MINE}/data/range`
  await mine.send('PUT', key, { body: Buffer.from('0123456789') })
  const read = async (range: string, name = key) => {
    const { status, body } = await mine.send('GET', name, { headers: { range: `bytes=${range}` } })
    return status === 206 ? body.toString() : status
  }
  assert.equal(await read('7-9'), '789')
  for (const most of ['9007199254740990', '9007199254740991', '9007199254740992', '9223372036854775806']) {
    assert.equal(await read(`7-${most}`), '789', most)
    assert.equal(await read(`${most}-`), 416, most)
    assert.equal(await read(`-${most}`), '0123456789', most)
    assert.equal(await read(`0-${most}`, `${MINE}/data/nothing`), 404, most)
  }
  assert.equal(await read('-0'), 416)
})

describe('an upload in parts', () => {
  async function begin(key: string): Promise<string> {
    const answer = await mine.send('POST', key, { query: { uploads: '' } })
    assert.equal(answer.status, 200, answer.body.toString())
    return /<UploadId>(.*)<\/UploadId>/.exec(answer.body.toString())![1]!
  }

  async function part(key: string, uploadId: string, partNumber: number, body: Buffer, lie = body): Promise<string> {
    const query = { partNumber: String(partNumber), uploadId }
    const answer = await mine.send('PUT', key, { query, body, lie, payload: 'unsigned-trailer' })
    return answer.code ?? String(answer.headers['etag'])
  }

  async function complete(key: string, uploadId: string, etags: string[]) {
    const parts = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`).join('')
    const body = Buffer.from(`<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`)
    return await mine.send('POST', key, { query: { uploadId }, body })
  }

  test('is one object in the end, also if parts and the end are sent again', async () => {
    const key = `${MINE}/data/parts`
    const bodies = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(1000)]
    const id = await begin(key)
    assert.equal(await part(key, id, 2, bodies[0]!, bodies[1]), 'BadDigest')
    await part(key, id, 2, bodies[0]!)
    const etags = await Promise.all(bodies.map((body, at) => part(key, id, at + 1, body)))
    assert.equal(await isThere(key), false)
    const done = await complete(key, id, etags)
    assert.equal(done.status, 200, done.body.toString())
    assert.ok((await mine.send('GET', key)).body.equals(Buffer.concat(bodies)))
    const again = await complete(key, id, etags)
    assert.deepEqual([again.status, again.body.toString()], [200, done.body.toString()])
    assert.equal(await part(key, id, 1, small), 'NoSuchUpload')
  })

  test('is gone once it is given up', async () => {
    const key = `${MINE}/data/aborted`
    const id = await begin(key)
    const etag = await part(key, id, 1, small)
    assert.equal((await mine.send('DELETE', key, { query: { uploadId: id } })).status, 204)
    assert.equal((await complete(key, id, [etag])).code, 'NoSuchUpload')
    assert.equal((await complete(key, '00.nothing', [etag])).status >= 400, true)
  })

  test('is refused with parts that are not its own or too small', async () => {
    const key = `${MINE}/data/refused`
    const id = await begin(key)
    const etags = [await part(key, id, 1, small), await part(key, id, 2, small)]
    assert.equal((await complete(key, id, ['"x"'])).code, 'InvalidPart')
    assert.equal((await complete(key, id, etags)).code, 'EntityTooSmall')
    assert.equal(await isThere(key), false)
  })
})

test('objects and folders come and go', async () => {
  const put = (name: string) => mine.send('PUT', `${MINE}/gone/${name}`, { body: Buffer.alloc(0) })
  assert.equal((await put('')).status, 200)
  for (const name of ['a', 'b & c', 'ö']) assert.equal((await put(name)).status, 200)
  assert.equal((await mine.send('DELETE', `${MINE}/gone/a`)).status, 204)
  assert.equal((await mine.send('DELETE', `${MINE}/gone/a`)).status, 204)
  const keys = ['', 'b &amp; c', 'ö', 'never'].map(name => `${MINE}/gone/${name}`).concat('_lake/commits/1')
  const body = Buffer.from(`<Delete>${keys.map(key => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`)
  const deleted = await mine.send('POST', '', { query: { delete: '' }, body })
  const text = deleted.body.toString()
  assert.deepEqual([deleted.status, text.split('<Deleted>').length - 1, text.split('<Error>').length - 1], [200, 4, 1], text)
  const listed = await mine.send('GET', '', { query: { 'list-type': '2', prefix: `${MINE}/gone/` } })
  assert.match(listed.body.toString(), /<KeyCount>0</)
})

test('credentials write below their own table and nowhere else', async () => {
  const refused: [S3, string][] = [
    [new S3(lake.url, derive(MINE, 'read')), `${MINE}/a`],
    [mine, 'warehouse/default/orders/a'],
    [mine, 'warehouse/default/mine2/a'],
    [mine, '_lake/commits/1'],
    [new S3(lake.url, derive('warehouse/default', 'write')), `${MINE}/a`],
    [new S3(lake.url, derive('_lake', 'write')), '_lake/commits/1'],
  ]
  for (const [client, key] of refused) {
    for (const body of [small, large]) {
      const put = await client.send('PUT', key, { body })
      assert.deepEqual([put.status, put.code], [403, 'AccessDenied'], key)
    }
    assert.equal((await client.send('DELETE', key)).code, 'AccessDenied')
  }
})

test('a request without a signature is refused in the words of S3', async () => {
  const key = `${MINE}/data/unsigned`
  assert.equal((await mine.send('PUT', key, { body: small })).status, 200)
  for (const path of ['/lakehouse', '/lakehouse/', `/lakehouse/${key}`, '/lakehouse/_lake/commits/1', '/%6cakehouse/x', '/lakehouse/%ff']) {
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
      for (const authorization of [undefined, `Bearer ${lake.token}`]) {
        const body = method === 'PUT' || method === 'POST' ? { body: 'x' } : {}
        const answer = await fetch(lake.url + path, { method, headers: authorization === undefined ? {} : { authorization }, ...body })
        const text = await answer.text()
        const what = `${method} ${path}: ${answer.status} ${text}`
        assert.equal(answer.status, 403, what)
        assert.equal(answer.headers.get('content-type'), 'application/xml', what)
        const id = answer.headers.get('x-amz-request-id')
        assert.ok(id, what)
        if (method !== 'HEAD') assert.match(text, new RegExp(`<Code>AccessDenied</Code>.*<RequestId>${id}</RequestId>`), what)
      }
    }
  }
  assert.ok((await mine.send('GET', key)).body.equals(small))
  // Others are the front door's own.
  for (const path of ['/lakehouse2', '/other/x']) {
    const answer = await lake.request('GET', path)
    assert.deepEqual([answer.status, answer.headers.get('content-type')?.includes('json')], [404, true], path)
  }
})

test('a large object never is in memory as a whole', async () => {
  const memory = async () => (await lake.request('GET', '/v1/status')).body.front.memoryBytes as number
  const before = await memory()
  const body = randomBytes(64 * MIB)
  const put = await mine.send('PUT', `${MINE}/data/huge`, { body, payload: 'chunks' })
  assert.equal(put.status, 200, put.body.toString())
  const grown = (await memory()) - before
  assert.ok(grown < 16 * MIB, `${grown}`)
  assert.equal((await mine.send('HEAD', `${MINE}/data/huge`)).headers['content-length'], String(body.length))
})

const STOCK = `
import os, sys
import duckdb, pyarrow as pa, pyarrow.fs as fs, pyarrow.parquet as pq
from duckdb_extensions import import_extension
access, secret, token, prefix = sys.argv[1:]
host = os.environ["LAKE_URL"]
bucket = fs.S3FileSystem(access_key=access, secret_key=secret, session_token=token, endpoint_override=host, region="auto",
                         force_virtual_addressing=False)
folder = "lakehouse/" + prefix
table = pa.table({"a": list(range(2_000_000)), "b": [str(i * 7919) for i in range(2_000_000)]})
pq.write_table(table, folder + "/arrow/t.parquet", filesystem=bucket, compression="none")
assert pq.read_table(folder + "/arrow/t.parquet", filesystem=bucket).equals(table)
with bucket.open_output_stream(folder + "/arrow/tiny") as out:
    out.write(b"tiny")
assert bucket.open_input_file(folder + "/arrow/tiny").read() == b"tiny"
with bucket.open_output_stream(folder + "/arrow/empty") as out:
    pass
assert bucket.get_file_info(folder + "/arrow/empty").size == 0
bucket.delete_file(folder + "/arrow/tiny")
assert bucket.get_file_info(folder + "/arrow/tiny").type == fs.FileType.NotFound
assert bucket.get_file_info(folder + "/arrow").type == fs.FileType.Directory
bucket.delete_dir(folder + "/arrow")
assert bucket.get_file_info(folder + "/arrow/t.parquet").type == fs.FileType.NotFound

con = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
import_extension("httpfs", con=con)
con.execute("LOAD httpfs")
con.execute("SET enable_progress_bar = false")
con.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{access}', SECRET '{secret}', SESSION_TOKEN '{token}', REGION 'auto',
    ENDPOINT '{host.removeprefix("http://")}', URL_STYLE 'path', USE_SSL false)""")
where = f"s3://{folder}/duck/t.parquet"
con.execute(f"COPY (SELECT i, i * 7919 AS j, random() AS r FROM range(3000000) t(i)) TO '{where}'")
print(con.execute(f"SELECT count(*), sum(j) FROM '{where}'").fetchone())
`

test('pyarrow and DuckDB write, read and delete', async () => {
  const { accessKeyId, secretAccessKey, sessionToken } = derive(MINE, 'write')
  const printed = await python(lake, STOCK, accessKeyId, secretAccessKey, sessionToken, MINE)
  assert.equal(printed.trim(), `(3000000, ${(7919n * 2999999n * 3000000n) / 2n})`)
})

const SIGNED = `
import os, sys
import pyarrow as pa
from pyiceberg.catalog import load_catalog
name, delegation = sys.argv[1:]
catalog = load_catalog("lake", type="rest", uri=os.environ["LAKE_URL"] + "/iceberg", token=os.environ["LAKE_TOKEN"],
                       **{"header.X-Iceberg-Access-Delegation": delegation})
catalog.create_namespace_if_not_exists("engines")
rows = pa.table({"a": pa.array(range(100_000), pa.int64()), "b": [str(i) for i in range(100_000)]})
table = catalog.create_table("engines." + name, schema=rows.schema)
table.append(rows)
table.append(rows.slice(0, 10))
table.delete("a < 5")
table = catalog.load_table("engines." + name)
has_keys = "s3.access-key-id" in table.io.properties
print(has_keys, type(table.io).__name__, len(table.scan().to_arrow()), sorted(table.scan(row_filter="a = 7").to_arrow()["b"].to_pylist()))
`

test('PyIceberg writes a table with keys, and without any by having its requests signed', async () => {
  const rows = "100000 ['7', '7']"
  assert.equal((await python(lake, SIGNED, 'vended', 'vended-credentials')).trim(), `True PyArrowFileIO ${rows}`)
  assert.equal((await python(lake, SIGNED, 'signed', 'remote-signing')).trim(), `False FsspecFileIO ${rows}`)
})
