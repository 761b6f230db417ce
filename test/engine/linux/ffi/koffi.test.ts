import { describe, expect, it } from 'vitest'
import { supportedArchitecture } from '../../../../src/engine/linux/ffi/koffi.js'

const machine = { platform: 'linux', architecture: 'x64', endianness: 'LE' }

describe('the linux engine', () => {
  it.each(['x64', 'arm64'])('runs on %s', (architecture) => {
    expect(supportedArchitecture({ ...machine, architecture })).toBe(architecture)
  })

  it.each([
    [{ platform: 'darwin' }, 'this is darwin, not Linux'],
    [{ architecture: 'ia32' }, 'the processor is ia32, not x64 or arm64'],
    [{ endianness: 'BE' }, 'the processor is big-endian'],
  ])('says why it cannot run with %j', (difference, why) => {
    expect(() => supportedArchitecture({ ...machine, ...difference })).toThrow(
      expect.objectContaining({
        code: 'engine_unavailable',
        message: `the linux engine cannot run here: ${why}`,
      }),
    )
  })
})
