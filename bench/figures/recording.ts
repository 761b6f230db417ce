/** What recording costs: each engine with it and without it, alternating, on the loads of other figures. */

import type { Contender } from '../contenders/contender.js'
import { upload } from './bulk.js'
import type { Entrant, Figure } from './figure.js'
import { keepAlive } from './requests.js'

/** Each that can record, without and with; compared with itself. */
const pairs = (contenders: readonly Contender[]): readonly Entrant[] =>
  contenders
    .filter(({ canRecord }) => canRecord)
    .flatMap((contender) => {
      const { id, title } = contender
      return [
        { id, title, contender, records: false, pool: null, baseline: id },
        {
          id: `${id}+record`,
          title: `${title}, recording`,
          contender,
          records: true,
          pool: null,
          baseline: id,
        },
      ]
    })

/** More than a recording of a few seconds takes: one that meets a full disk costs less. */
const RECORDING_BYTES = 8 * 1024 ** 3

const HOW = 'with `tidegate record` to a file, until all is written; beside the same without recording.'

// A process for each round: a recording grows without bound, and must be removed in between.
const recording = (base: Figure, names: Pick<Figure, 'how' | 'id' | 'mostRounds' | 'title'>): Figure => ({
  ...base,
  ...names,
  fresh: true,
  diskBytes: RECORDING_BYTES,
  entrants: pairs,
})

export const recordBulk = recording(upload, {
  id: 'record-bulk',
  title: 'Recording bulk',
  mostRounds: 3,
  how: `As bulk, ${HOW}`,
})

export const recordRequests = recording(keepAlive, {
  id: 'record-requests',
  title: 'Recording requests',
  mostRounds: Number.POSITIVE_INFINITY,
  how: `As keep-alive requests, ${HOW}`,
})
