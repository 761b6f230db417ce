/** What recording costs: each engine with it and without it, alternating, on the loads of other figures. */

import type { Contender } from '../contenders/contender.js'
import { gogetway } from '../contenders/gogetway.js'
import { runFlow, startFlow } from '../loads/flow.js'
import type { Moved } from '../loads/iperf3.js'
import type { Recorded } from '../recordings/recorder.js'
import { GIGABYTE, upload } from './bulk.js'
import type { Entrant, Figure, Sample } from './figure.js'
import { keepAlive } from './requests.js'

/** Each that can record, without and with; compared with itself. */
const pairs = (contenders: readonly Contender[]): readonly Entrant[] =>
  contenders
    .filter(({ recordsAs, only }) => recordsAs !== null && only === null)
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
const recording = (
  base: Figure,
  names: Pick<Figure, 'how' | 'id' | 'mostRounds' | 'title'>,
  roundsEach = 1,
): Figure => ({
  ...base,
  ...names,
  roundsEach,
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

export const recordRequests = recording(
  keepAlive,
  {
    id: 'record-requests',
    title: 'Recording requests',
    mostRounds: Number.POSITIVE_INFINITY,
    how: `As keep-alive requests, ${HOW} In three times as many rounds as the others: single ones differ by more than recording costs.`,
  },
  3,
)

/** Those that record, as they do it; compared with gogetway if it takes part. */
const recorders = (contenders: readonly Contender[]): readonly Entrant[] => {
  const present = contenders.filter(({ recordsAs }) => recordsAs !== null)
  const baseline = (present.find(({ id }) => id === gogetway.id) ?? present[0])?.id ?? ''
  return present.map((contender) => ({
    id: contender.id,
    title: contender.only === null ? `${contender.title}, recording` : contender.title,
    contender,
    records: true,
    pool: null,
    baseline,
  }))
}

const PERCENT = 100

/** What there is in the file, and what that has cost. `seconds`: from the first byte relayed to the last one stored. */
export const recordingSample = (
  moved: Moved,
  recorded: Recorded,
  seconds: number,
  cpuSeconds: number,
): Sample => ({
  recorded: recorded.bytes / GIGABYTE / seconds,
  rate: moved.bytes / GIGABYTE / moved.seconds,
  // A little more than all: the client's own few bytes.
  missing: PERCENT * Math.max(0, 1 - recorded.bytes / moved.bytes),
  cpuPerRecordedGB: cpuSeconds / (recorded.bytes / GIGABYTE),
  ...(recorded.dropped === null ? {} : { dropped: recorded.dropped }),
})

/** Whatever a run asks for: longer ones would fill the memory that they are recorded to. */
const MOST_SECONDS = 5

export const recordFlow: Figure = {
  id: 'record-flow',
  title: 'Recorded bulk',
  how: 'Four streams (`--streams`) from a service to a client, to the last byte, recorded to a file in memory; then the payload in the file is counted, and compared with what the client got.',
  metrics: [
    { id: 'recorded', title: 'recorded', unit: 'GB/s', better: 'higher' },
    { id: 'rate', title: 'relayed meanwhile', unit: 'GB/s', better: 'higher' },
    { id: 'missing', title: 'missing in the file', unit: '%', better: 'lower' },
    { id: 'cpuPerRecordedGB', title: 'CPU per gigabyte recorded', unit: 's/GB', better: 'lower' },
    { id: 'dropped', title: 'dropped by the kernel', unit: 'packets', better: 'lower' },
  ],
  tools: [],
  diskBytes: RECORDING_BYTES,
  recordsToMemory: true,
  fresh: true,
  warmUp: true,
  layout: null,
  oneWayMs: 0,
  mostRounds: 3,
  entrants: recorders,
  startBackend: startFlow,
  measure: async (site, target, seconds) => {
    const { recorder } = target
    if (recorder === null) throw new Error('it does not record')
    await recorder.begin()
    const before = await target.cpuSeconds()
    const moved = await runFlow(site, target, Math.min(seconds, MOST_SECONDS))
    const ended = performance.now()
    const recorded = await recorder.end()
    const later = recorded.at === null ? 0 : Math.max(0, recorded.at - ended) / 1000
    const cpuSeconds = (await target.cpuSeconds()) - before + recorded.cpuSeconds
    return recordingSample(moved, recorded, moved.seconds + later, cpuSeconds)
  },
}
