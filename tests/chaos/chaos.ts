/**
 * The real scripts in workerd, under load, killed at random moments and started again on the same folder and port.
 *
 *   cargo xtask chaos --kills N --seed S
 *
 * After each kill, or several in a row, everything is compared with the ledger (`check.ts`). A lake is killed at most
 * twenty times and then left for a new one. SIGKILL takes the processes away and not the machine: what the runtime had
 * handed to the operating system is there after it.
 */

import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Chance } from './chance.ts'
import { Episode } from './episode.ts'
import { nothingYet, sum, summaryOf } from './tally.ts'

/** Kills of one lake. */
const KILLS_OF_A_LAKE = 20

const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } } })
const [kills, seed] = [Number(values.kills), Number(values.seed)]
const chance = new Chance(seed)
const lakes = Math.ceil(kills / KILLS_OF_A_LAKE)
let all = nothingYet

console.log(`${kills} kills, seed ${seed}`)
for (let lake = 1; lake <= lakes; lake += 1) {
  if (lakes > 1) console.log(`lake ${lake} of ${lakes}`)
  const episode = await Episode.start(chance.fork())
  try {
    await episode.run(Math.min(KILLS_OF_A_LAKE, kills - all.kills), line => console.log(line))
  } catch (error) {
    console.error(String(error))
    if (!(error instanceof Error) || error.name !== 'Wrong') console.error(error)
    console.error(`after ${episode.tally.kills} kills of this lake; its state and its logs are in ${episode.state}`)
    console.error(`again: cargo xtask chaos --kills ${kills} --seed ${seed}`)
    // Everything that was started goes with this process.
    process.exit(1)
  }
  await episode.stop()
  rmSync(episode.state, { recursive: true, force: true })
  all = sum(all, episode.tally)
}
console.log(summaryOf(all))
