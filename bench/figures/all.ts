/** Everything that is measured, in the order of the report. */

import { download, upload } from './bulk.js'
import type { Figure } from './figure.js'
import { firstByte } from './first-byte.js'
import { idle } from './idle.js'
import { latency } from './latency.js'
import { recordBulk, recordFlow, recordRequests } from './recording.js'
import { keepAlive, newConnections } from './requests.js'
import { wake } from './wake.js'

export const FIGURES: readonly Figure[] = [
  upload,
  download,
  keepAlive,
  newConnections,
  latency,
  firstByte,
  idle,
  recordBulk,
  recordFlow,
  recordRequests,
  wake,
]
