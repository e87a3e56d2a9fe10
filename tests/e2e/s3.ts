/**
 * An S3 client for specs, which can send every kind of body that stock clients send, and lie in each.
 *
 * Credentials are derived here too, from the description in api/src/storage_key.rs.
 */

import { createHash, createHmac } from 'node:crypto'
import { request } from 'node:http'
import { crc32 } from 'node:zlib'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
}

/** How a body is sent: with its hash, unsigned, or in chunks that are signed or not, with a checksum behind them or not. */
export type Payload = 'hash' | 'unsigned' | 'chunks' | 'chunks-trailer' | 'unsigned-trailer'

export interface Sending {
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly payload?: Payload
  /** What is sent in place of the body that was signed. */
  readonly lie?: Buffer
  /** After how many bytes of the body the connection is cut. */
  readonly cut?: number
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** The code of an error answer. */
  readonly code: string | undefined
}

const NAMES: Record<Payload, string | undefined> = {
  hash: undefined,
  unsigned: 'UNSIGNED-PAYLOAD',
  chunks: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'chunks-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
}
const CHUNK = 128 * 1024
const EMPTY = sha256(Buffer.alloc(0))

/** Credentials for a prefix, as the catalog would hand them out. */
export function derive(prefix: string, access: 'read' | 'write'): Credentials {
  const { current, keys } = JSON.parse(process.env['LAKE_KEYS'] ?? '{}')
  const expiry = Buffer.alloc(8)
  expiry.writeBigInt64BE(BigInt(Math.floor(Date.now() / 1000) + 3600))
  const flags = 2 + (access === 'write' ? 1 : 0)
  const sealed = Buffer.concat([
    Buffer.from([1, flags]),
    expiry,
    Buffer.from([current.length]),
    Buffer.from(current + prefix),
  ])
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32LE(crc32(sealed))
  const accessKeyId = Buffer.concat([sealed, checksum]).toString('base64url')
  const mac = (label: string) =>
    createHmac('sha256', Buffer.from(keys[current], 'base64url')).update(`${label}\0${accessKeyId}`).digest('base64url')
  return { accessKeyId, secretAccessKey: mac('s3-secret-1'), sessionToken: mac('s3-session-1') }
}

export class S3 {
  readonly #url: URL
  readonly #credentials: Credentials

  constructor(url: string, credentials: Credentials) {
    this.#url = new URL(url)
    this.#credentials = credentials
  }

  /** Sends a request for a key of the lake's bucket, or for the bucket itself. */
  async send(method: string, key: string, sending: Sending = {}): Promise<Answer> {
    const { query = {}, body = Buffer.alloc(0), payload = 'hash', lie = body } = sending
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const isChunked = payload.includes('chunks') || payload.includes('trailer')
    const isSent = method === 'PUT' || method === 'POST'
    const headers: Record<string, string> = {
      host: this.#url.host,
      'x-amz-date': time,
      'x-amz-content-sha256': NAMES[payload] ?? sha256(body),
      'x-amz-security-token': this.#credentials.sessionToken,
      ...(isChunked && { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(body.length) }),
      ...(payload.endsWith('trailer') && { 'x-amz-trailer': 'x-amz-checksum-crc32' }),
      ...sending.headers,
    }
    const path = `/lakehouse${key === '' ? '' : `/${key}`}`.split('/').map(encodeURIComponent).join('/')
    const search = Object.entries(query)
      .map(pair => pair.map(encodeURIComponent).join('='))
      .sort()
      .join('&')
    const names = Object.keys(headers).sort()
    const lines = names.map(name => `${name}:${headers[name]}\n`).join('')
    const canonical = [method, path, search, lines, names.join(';'), headers['x-amz-content-sha256']].join('\n')
    const scope = `${time.slice(0, 8)}/auto/s3/aws4_request`
    const signer = new Signer(this.#credentials.secretAccessKey, time, scope)
    const signature = signer.sign('AWS4-HMAC-SHA256', sha256(Buffer.from(canonical)))
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${this.#credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
    const sent = isChunked ? frame(body, lie, payload, signer, signature) : lie
    // As pyarrow: no length of the whole, and the body only once it is asked for.
    if (payload === 'unsigned-trailer') Object.assign(headers, { 'transfer-encoding': 'chunked', expect: '100-continue' })
    else if (isSent) headers['content-length'] = String(sent.length)
    return await this.#exchange(method, search === '' ? path : `${path}?${search}`, headers, isSent ? sent : undefined, sending.cut)
  }

  #exchange(method: string, path: string, headers: Record<string, string>, body?: Buffer, cut?: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url
      const sending = request({ hostname, port, method, path, headers }, answer => {
        const parts: Buffer[] = []
        answer.on('data', part => parts.push(part))
        answer.on('error', reject)
        answer.on('end', () => {
          const body = Buffer.concat(parts)
          const code = /<Code>(\w+)<\/Code>/.exec(answer.statusCode === 200 ? '' : body.toString('utf8'))?.[1]
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body, code })
        })
      })
      sending.on('error', reject)
      if (cut !== undefined) sending.write(body!.subarray(0, cut), () => sending.destroy(new Error('cut')))
      else if (headers['expect'] === undefined) sending.end(body)
      else sending.on('continue', () => sending.end(body))
      if (headers['expect'] !== undefined) sending.flushHeaders()
    })
  }
}

class Signer {
  readonly #key: Buffer
  readonly #time: string
  readonly #scope: string

  constructor(secret: string, time: string, scope: string) {
    this.#key = scope.split('/').reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secret}`))
    this.#time = time
    this.#scope = scope
  }

  sign(algorithm: string, ...rest: string[]): string {
    return hmac(this.#key, [algorithm, this.#time, this.#scope, ...rest].join('\n')).toString('hex')
  }
}

/** Chunks of what is sent, with the signatures and the checksum of what was promised. */
function frame(promised: Buffer, sent: Buffer, payload: Payload, signer: Signer, seed: string): Buffer {
  const isSigned = payload !== 'unsigned-trailer'
  const parts: Buffer[] = []
  let previous = seed
  for (let at = 0; ; at += CHUNK) {
    const [chunk, said] = [sent.subarray(at, at + CHUNK), promised.subarray(at, at + CHUNK)]
    previous = signer.sign('AWS4-HMAC-SHA256-PAYLOAD', previous, EMPTY, sha256(said))
    const length = chunk.length.toString(16) + (isSigned ? `;chunk-signature=${previous}` : '')
    parts.push(Buffer.from(`${length}\r\n`))
    if (chunk.length === 0) break
    parts.push(chunk, Buffer.from('\r\n'))
  }
  if (payload.endsWith('trailer')) {
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(crc32(promised))
    const trailer = `x-amz-checksum-crc32:${checksum.toString('base64')}`
    parts.push(Buffer.from(`${trailer}\r\n`))
    const signature = signer.sign('AWS4-HMAC-SHA256-TRAILER', previous, sha256(Buffer.from(`${trailer}\n`)))
    if (isSigned) parts.push(Buffer.from(`x-amz-trailer-signature:${signature}\r\n`))
  }
  parts.push(Buffer.from('\r\n'))
  return Buffer.concat(parts)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
