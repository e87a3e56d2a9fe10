// The entry module of every script: what workerd calls, in front of the glue that calls the wasm.
//
// One wasm instance serves a whole isolate: the Worker and all Durable Objects of the script. A trap (a panic, memory
// at its limit) leaves that instance unusable, and futures in it are never polled again. So after a trap
//   - every call in flight is answered with an error at once, as nobody else would ever answer it;
//   - the next call starts a new instance, and each Durable Object is built anew from its storage.
// Generated glue reports a trap through `globalThis.__wasmTrapped`.

import * as glue from './index.js'

// Every step of a future in wasm is a microtask. The platform's own costs 2 µs, a promise's 0.1 µs.
globalThis.queueMicrotask = (run) => {
  Promise.resolve().then(run)
}

let generation = 0
let isTrapped = false
const inFlight = new Set()

globalThis.__wasmTrapped = () => {
  isTrapped = true
  const calls = [...inFlight]
  inFlight.clear()
  for (const call of calls) call.reject(new Error('the instance was lost; whether the request took effect is unknown'))
}

function revive() {
  if (!isTrapped) return
  isTrapped = false
  generation += 1
  console.warn('a wasm instance was lost; starting another')
  glue.__wbg_reset_state()
}

function call(run) {
  revive()
  return new Promise((resolve, reject) => {
    const entry = { reject }
    inFlight.add(entry)
    const fail = (error) => {
      inFlight.delete(entry)
      reject(error)
    }
    try {
      run().then((value) => {
        inFlight.delete(entry)
        resolve(value)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}

export default {
  fetch(request, env, context) {
    return call(() => glue.fetch(request, env, context))
  },
}

// The class that workerd holds, for one exported by the glue.
function durableObject(name) {
  class Shell {
    #state
    #env
    #object
    #generation

    constructor(state, env) {
      this.#state = state
      this.#env = env
      this.current()
    }

    current() {
      revive()
      if (this.#generation !== generation) {
        this.#object = new glue[name](this.#state, this.#env)
        this.#generation = generation
      }
      return this.#object
    }
  }
  for (const method of ['fetch', 'alarm', 'webSocketMessage', 'webSocketClose', 'webSocketError']) {
    if (method in glue[name].prototype) {
      Shell.prototype[method] = function (...values) {
        return call(() => this.current()[method](...values))
      }
    }
  }
  return Shell
}
