import { describe, it } from 'vitest'
import { createPortableEngine } from '../../src/engine/portable/engine.js'
import { engineCompliance } from '../../src/testing/index.js'

describe('the portable engine', () => {
  for (const { name, run, timeoutMs } of engineCompliance(createPortableEngine)) it(name, run, timeoutMs)
})
