import { describe, it } from 'vitest'
import { createLinuxEngine } from '../../src/engine/linux/engine.js'
import { engineCompliance } from '../../src/testing/index.js'

const elsewhere = process.platform === 'linux' ? '' : ' (skipped: this system is not Linux)'

describe.skipIf(process.platform !== 'linux')(`the linux engine${elsewhere}`, () => {
  for (const { name, run, timeoutMs } of engineCompliance(createLinuxEngine)) it(name, run, timeoutMs)
})
