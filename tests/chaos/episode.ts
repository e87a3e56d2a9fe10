/** One lake from its first table to its last kill. */

import { createLakeClient, type LakeClient } from '../../sdk-ts/src/index.ts'
import { Server } from '../e2e/server.ts'
import { Answers } from './answers.ts'
import { ACCOUNTS, OPENING, type Values } from './bank.ts'
import type { Chance } from './chance.ts'
import { Check, type Look } from './check.ts'
import { DuckDb } from './duckdb.ts'
import { Ledger, type Transaction } from './ledger.ts'
import { startReaders } from './readers.ts'
import { Subscriber } from './subscriber.ts'
import type { Tally } from './tally.ts'
import { pause, Traffic } from './traffic.ts'
import { Writer } from './writer.ts'
import { Wrong } from './wrong.ts'

/** Databases and the namespaces that they feed: two share one. */
const DATABASES = [['alpha', 'bank'], ['beta', 'bank'], ['gamma', 'gamma']] as const

/** Writers of each database. */
const WRITERS = 2

/** In this share of all cases a kill is followed by another before anything was compared. */
const IN_A_ROW = 0.25

/** Answers after which a lake that was started counts as warm. */
const WARM = 25

/** How long a look at everything may take before it counts as stuck. */
const STUCK_MS = 180_000

/** How long the status may take that is asked for then. */
const STATUS_MS = 10_000

const OPEN: Transaction = {
  tag: 'open',
  statements: [
    'CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL, settled bigint NOT NULL, tag text NOT NULL)',
    `CREATE TABLE transfers (id bigint PRIMARY KEY, source bigint NOT NULL REFERENCES accounts (id),
       target bigint NOT NULL REFERENCES accounts (id), amount bigint NOT NULL, tag text NOT NULL)`,
    'CREATE TABLE items (id bigint PRIMARY KEY, n bigint NOT NULL, tag text NOT NULL)',
    `INSERT INTO accounts VALUES ${accounts().map(([id, values]) => `(${[id, ...values.slice(0, 2)].join(', ')}, 'open')`).join(', ')}`,
    // The catalog has a table from its first row on.
    "INSERT INTO transfers VALUES (0, 1, 2, 0, 'open')",
    "INSERT INTO items VALUES (0, 0, 'open')",
  ].map(sql => ({ sql })),
  effects: [
    { kind: 'insert', table: 'accounts', rows: accounts() },
    { kind: 'insert', table: 'transfers', rows: [[0, [1, 2, 0, 'open']]] },
    { kind: 'insert', table: 'items', rows: [[0, [0, 'open']]] },
  ],
}

function accounts(): [number, Values][] {
  return Array.from({ length: ACCOUNTS }, (_, index) => [index + 1, [OPENING, 0, 'open']])
}

/** A lake, its load and whoever looks at it. */
export class Episode {
  #server: Server
  readonly #chance: Chance
  readonly #client: LakeClient
  readonly #duckdb: DuckDb
  readonly #traffic = new Traffic()
  readonly #ledgers = DATABASES.map(([database, namespace]) => new Ledger(database, namespace))
  readonly #subscribers: readonly Subscriber[]
  readonly #answers: Answers
  readonly #look: Look
  readonly #check: Check

  /** Starts an empty lake. */
  static async start(chance: Chance): Promise<Episode> {
    return new Episode(await Server.start(), chance)
  }

  private constructor(server: Server, chance: Chance) {
    this.#server = server
    this.#chance = chance
    // No repetitions of its own: the ledger wants to know of each answer that was lost.
    this.#client = createLakeClient({ url: server.url, token: server.token, retry: { maxRetries: 0, maxDelayMs: 250 } })
    this.#duckdb = new DuckDb(server.url, server.token, server.state)
    this.#subscribers = [
      new Subscriber(this.#client, 'the steady subscriber of bank', 'bank'),
      new Subscriber(this.#client, 'the resumed subscriber of bank', 'bank', 7),
      new Subscriber(this.#client, 'the resumed subscriber of gamma', 'gamma', 100),
    ]
    this.#answers = new Answers(this.#client, this.#ledgers, chance.fork())
    const namespaces = [...new Set(DATABASES.map(([, namespace]) => namespace))]
    this.#look = {
      client: this.#client,
      duckdb: this.#duckdb,
      ledgers: this.#ledgers,
      namespaces,
      subscribers: this.#subscribers,
      answers: this.#answers,
    }
    this.#check = new Check(this.#look, chance.fork())
  }

  /** Where its state lies. */
  get state(): string {
    return this.#server.state
  }

  async #open(): Promise<void> {
    for (const ledger of this.#ledgers) {
      await this.#client.createDatabase(ledger.database, { namespace: ledger.namespace })
      const { lsn, committedAt } = await this.#client.sql(ledger.database, OPEN.statements)
      ledger.acknowledge(OPEN, lsn ?? 0n, committedAt ?? '')
      // Sent without its tag, so it is none that can be sent once more.
      ledger.recent.length = 0
      for (let number = 1; number <= WRITERS; number += 1) {
        const writer = new Writer(this.#client, ledger, this.#traffic, this.#chance.fork(), number)
        this.#traffic.join(writer.run())
      }
    }
    for (const subscriber of this.#subscribers) this.#traffic.join(subscriber.run())
    this.#traffic.up.open()
    await this.#check.compare()
    startReaders({ ...this.#look, traffic: this.#traffic }, this.#chance.fork())
  }

  /** Kills it this often, under load from everybody who reads and writes. */
  async run(kills: number, say: (line: string) => void): Promise<void> {
    await this.#watched('opening', this.#open())
    while (this.#traffic.kills < kills) {
      let line = await this.#watched('load and a kill', this.#loadAndKill(this.#moment()))
      while (this.#traffic.kills < kills && this.#chance.is(IN_A_ROW)) {
        say(line)
        line = await this.#watched('load and a kill in recovery', this.#loadAndKill(this.#recovery()))
      }
      const start = performance.now()
      await this.#watched('an end of the load', this.#traffic.quiet())
      const doubted = this.#ledgers.reduce((all, ledger) => all + ledger.inDoubt, 0)
      await this.#watched('comparing', this.#check.compare())
      const ms = Math.round(performance.now() - start)
      say(`${line}  acknowledged ${this.tally.acknowledged}  in doubt ${doubted}  checked ${ms} ms`)
    }
    await this.#watched('comparing from the start', this.#check.compareFromTheStart())
  }

  /** What was counted. */
  get tally(): Tally {
    const all = (count: (ledger: Ledger) => number): number => this.#ledgers.reduce((sum, ledger) => sum + count(ledger), 0)
    return {
      kills: this.#traffic.kills,
      acknowledged: all(ledger => ledger.acknowledged),
      inDoubt: this.#traffic.inDoubt,
      found: all(ledger => ledger.found),
      absent: all(ledger => ledger.absent),
      changes: all(ledger => ledger.entries.reduce((sum, entry) => sum + entry.count, 0)),
      answers: this.#answers.compared,
      askedAgain: this.#answers.askedAgain,
      delivered: this.#subscribers.reduce((sum, subscriber) => sum + subscriber.count, 0),
      resyncs: this.#subscribers.reduce((sum, subscriber) => sum + subscriber.resyncs, 0),
    }
  }

  /** Ends everything in order. */
  async stop(): Promise<void> {
    this.#traffic.isOver = true
    this.#traffic.up.open()
    this.#traffic.load.open()
    await Promise.all(this.#subscribers.map(subscriber => subscriber.stop()))
    await this.#client.close()
    await Promise.all([this.#duckdb.stop(), this.#server.stop()])
  }

  /** When to kill, and what to call it. */
  #moment(): [name: string, moment: (kill: () => void) => void] {
    const at = this.#traffic.at.bind(this.#traffic)
    const dice = this.#chance.next()
    if (dice < 0.3) {
      const ms = this.#chance.between(30, 1_500)
      // Once it is warm: the first moments after a start are those of `recovery`.
      return ['under load', kill => at(WARM, 'acknowledged', () => void pause(ms).then(kill))]
    }
    if (dice < 0.6) {
      const count = this.#chance.between(1, 400)
      return ['at an answer', kill => at(count, 'acknowledged', kill)]
    }
    const [count, ms] = [this.#chance.between(1, 5), this.#chance.between(0, 350)]
    return ['in a commit on read', kill => at(count, 'commitOnRead', () => void pause(ms).then(kill))]
  }

  /** Right after a start, when everybody finds out what there is. */
  #recovery(): [name: string, moment: (kill: () => void) => void] {
    const ms = this.#chance.between(0, 400)
    return ['in recovery', kill => void pause(ms).then(kill)]
  }

  async #loadAndKill([name, moment]: [string, (kill: () => void) => void]): Promise<string> {
    const { load, up } = this.#traffic
    load.open()
    const start = performance.now()
    const { state, port } = this.#server
    const ms = await new Promise<number>((resolve, reject) => {
      moment(() => {
        const ended = this.#server.kill()
        up.close()
        this.#traffic.forget()
        this.#traffic.kills += 1
        const ms = Math.round(performance.now() - start)
        ended.then(() => resolve(ms), reject)
      })
    })
    const [, server] = await Promise.all([this.#resume(), Server.start({ state, port })])
    this.#server = server
    up.open()
    return `kill ${this.#traffic.kills}  after ${ms} ms ${name}`
  }

  /** Ends those subscriptions that are to go on from a kept cursor; the others find out by themselves. */
  async #resume(): Promise<void> {
    for (const subscriber of this.#subscribers.slice(1)) await subscriber.resume()
  }

  /** What can be said of a wait that does not end. */
  async #stuck(what: string): Promise<Wrong> {
    const status = await Promise.race([
      this.#client.status().then(status => JSON.stringify(status), String),
      pause(STATUS_MS).then(() => 'there is no status either'),
    ])
    return new Wrong(`nothing has happened for a long time; waited for: ${what}`, [...this.#traffic.open(), status])
  }

  /** The outcome, unless something else fails before or nothing happens for too long. */
  async #watched<T>(what: string, outcome: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const stuck = new Promise<never>((_, fail) => {
      timer = setTimeout(() => void this.#stuck(what).then(fail), STUCK_MS)
    })
    try {
      return await Promise.race([outcome, stuck, this.#traffic.failed.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}
