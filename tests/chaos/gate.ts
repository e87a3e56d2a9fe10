/** Something that is open or closed, and those who wait until it opens. */
export class Gate {
  #isOpen = false
  #opened = Promise.withResolvers<void>()

  get isOpen(): boolean {
    return this.#isOpen
  }

  open(): void {
    this.#isOpen = true
    this.#opened.resolve()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#opened = Promise.withResolvers<void>()
  }

  /** Resolves at once if it is open. */
  pass(): Promise<void> {
    return this.#opened.promise
  }
}
