/**
 * Names of new files: of the template where that is free, else the next number. A name is taken by a file of that name, and by what
 * it became when it was compressed.
 */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { COMPRESSED_ENDINGS, numberedName } from '../../core/record/files/template.js'

/** Stems whose last number is remembered; names with a time in them are soon not asked for again. */
const MAX_REMEMBERED = 1024

const ENDINGS = ['', ...Object.values(COMPRESSED_ENDINGS)]

export class FileNames {
  readonly #extension: string
  /** The next number of each folder and stem. */
  readonly #next = new Map<string, number>()

  constructor(extension: string) {
    this.#extension = extension
  }

  /** A name that was free just now. */
  free(folder: string, stem: string): string {
    const key = join(folder, stem)
    const number = this.#next.get(key) ?? this.#unused(folder, stem)
    this.#next.delete(key)
    this.#next.set(key, number + 1)
    if (this.#next.size > MAX_REMEMBERED) this.#forgetOldest()
    return numberedName(stem, number, this.#extension)
  }

  /** Beyond the highest there is: whoever sorts files by number has them in order, also when the first are gone. */
  #unused(folder: string, stem: string): number {
    const first = numberedName(stem, 0, this.#extension)
    if (
      !ENDINGS.some((ending) => existsSync(join(folder, first + ending))) &&
      !this.#hasNumbered(folder, stem)
    )
      return 0
    return this.#highest(folder, stem) + 1
  }

  #hasNumbered(folder: string, stem: string): boolean {
    const second = numberedName(stem, 1, this.#extension)
    return ENDINGS.some((ending) => existsSync(join(folder, second + ending)))
  }

  #highest(folder: string, stem: string): number {
    let highest = 0
    for (const name of readdirSync(folder)) highest = Math.max(highest, this.#numberOf(name, stem))
    return highest
  }

  #numberOf(name: string, stem: string): number {
    if (!name.startsWith(`${stem}-`)) return 0
    const rest = name.slice(stem.length + 1)
    const digits = /^\d{1,9}/.exec(rest)?.[0] ?? ''
    const ending = rest.slice(digits.length)
    return ENDINGS.some((known) => ending === this.#extension + known) ? Number(digits) : 0
  }

  #forgetOldest(): void {
    for (const key of this.#next.keys()) {
      this.#next.delete(key)
      return
    }
  }
}
