/** The machine and how it was used, in words. */

import type { Layout } from '../machine/cores.js'
import type { Results } from './results.js'

export const machineLine = ({ machine }: Results): string =>
  `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, TCP ${machine.congestionControl}`

export const rounds = (count: number): string => (count === 1 ? 'one round' : `${count} rounds`)

/** Above this, somebody else was using a noticeable part of a core. */
const BUSY_LOAD = 0.5

/** A warning, if there is reason for one. */
export const busyNotes = ({ machine }: Results): readonly string[] =>
  machine.loadBefore > BUSY_LOAD
    ? [`The machine was busy before the run (load ${machine.loadBefore.toFixed(1)}): only rough figures.`]
    : []

export const LAYOUTS: Readonly<Record<Layout, string>> = {
  free: 'not pinned to cores',
  apart: 'the contender on a core of its own',
  together: 'all on one core',
}
