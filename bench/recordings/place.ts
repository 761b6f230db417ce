/** Where recordings are written while they are measured. */

import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Figure } from '../figures/figure.js'

/** A file system in memory on every common Linux (shm_overview(7)). */
const IN_MEMORY = '/dev/shm'

export const recordingsAt = ({ recordsToMemory = false }: Pick<Figure, 'recordsToMemory'>): string =>
  recordsToMemory && existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir()
