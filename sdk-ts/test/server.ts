/**
 * A real server on a local port: HTTP answers from a list, WebSockets whose other end the test holds.
 * Text messages up to 64 KiB, no fragments, no compression: what these tests send.
 */

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What came in. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** What goes out; `hang` never answers, `reset` cuts the connection. */
export type Reply =
  | { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> }
  | 'hang'
  | 'reset'

/** The server's end of a WebSocket. */
export class Peer {
  readonly protocols: string
  readonly #socket: Socket
  #buffer = Buffer.alloc(0)
  readonly #messages: unknown[] = []
  #waiting: ((message: unknown) => void)[] = []
  /** Resolves when the client has closed its end. */
  readonly closed: Promise<void>

  constructor(socket: Socket, protocols: string) {
    this.#socket = socket
    this.protocols = protocols
    this.closed = new Promise(resolve => socket.once('close', () => resolve()))
    socket.on('error', () => socket.destroy())
    socket.on('data', chunk => this.#feed(chunk))
  }

  /** The next message of the client. */
  receive(): Promise<unknown> {
    const message = this.#messages.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** Messages that have arrived and were not received yet. */
  get waiting(): number {
    return this.#messages.length
  }

  send(message: unknown): void {
    this.sendText(JSON.stringify(message))
  }

  sendText(text: string): void {
    const payload = Buffer.from(text)
    const long = payload.length >= 126
    const head = long ? Buffer.from([0x81, 126, payload.length >> 8, payload.length & 255]) : Buffer.from([0x81, payload.length])
    this.#socket.write(Buffer.concat([head, payload]))
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.#socket.destroy()
  }

  #feed(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (let frame = this.#frame(); frame !== undefined; frame = this.#frame()) {
      if (frame.opcode === 8) {
        this.#socket.end(Buffer.from([0x88, 0]))
      } else if (frame.opcode === 1) {
        const message: unknown = JSON.parse(frame.payload.toString())
        const waiting = this.#waiting.shift()
        if (waiting === undefined) this.#messages.push(message)
        else waiting(message)
      }
    }
  }

  #frame(): { opcode: number; payload: Buffer } | undefined {
    const [first, second] = this.#buffer
    if (first === undefined || second === undefined) return undefined
    const short = second & 127
    const start = short === 126 ? 4 : 2
    if (this.#buffer.length < start) return undefined
    const length = short === 126 ? this.#buffer.readUInt16BE(2) : short
    const end = start + 4 + length
    if (this.#buffer.length < end) return undefined
    const mask = this.#buffer.subarray(start, start + 4)
    const payload = Buffer.from(this.#buffer.subarray(start + 4, end)).map((byte, index) => byte ^ (mask[index % 4] ?? 0))
    this.#buffer = this.#buffer.subarray(end)
    return { opcode: first & 15, payload: Buffer.from(payload) }
  }
}

/** A running server. */
export interface TestServer extends AsyncDisposable {
  readonly url: string
  /** Requests so far. */
  readonly received: Received[]
  /** The next connection. */
  accept(): Promise<Peer>
  /** From now on handshakes are answered like requests. */
  refuseSockets(): void
}

/** Starts a server that answers requests with `replies`, in order; the last one again and again. */
export async function serve(...replies: Reply[]): Promise<TestServer> {
  const received: Received[] = []
  const peers: Peer[] = []
  const waiting: ((peer: Peer) => void)[] = []
  let refusing = false
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', text => (body += text))
    request.on('end', () => {
      received.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
      const reply = (replies.length > 1 ? replies.shift() : replies[0]) ?? 'reset'
      if (reply === 'hang') return
      if (reply === 'reset') {
        request.socket.destroy()
        return
      }
      const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body)
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers }).end(text)
    })
  })
  server.on('upgrade', (request, socket: Socket) => {
    if (refusing) {
      socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      return
    }
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
        `sec-websocket-accept: ${accept}\r\nsec-websocket-protocol: lake.v1\r\n\r\n`,
    )
    const peer = new Peer(socket, request.headers['sec-websocket-protocol'] ?? '')
    const next = waiting.shift()
    if (next === undefined) peers.push(peer)
    else next(peer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    accept: () => {
      const peer = peers.shift()
      return peer === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(peer)
    },
    refuseSockets: () => {
      refusing = true
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** A port of this machine on which nothing listens. */
export async function deafUrl(): Promise<string> {
  const server = await serve()
  await server[Symbol.asyncDispose]()
  return server.url
}
