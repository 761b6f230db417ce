import { describe, expect, it } from 'vitest'
import { supportedArchitecture, whyKoffiFails } from '../../../../src/engine/linux/ffi/koffi.js'

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

  it.each([
    [
      "Cannot find module 'koffi'\nRequire stack:\n- /app/node_modules/tidegate/dist/engine/linux/ffi/koffi.js",
      'koffi, an optional dependency, is not installed',
    ],
    [
      'Cannot find the native Koffi module; did you bundle it correctly?\nSearched: a, b',
      'koffi does not load: Cannot find the native Koffi module; did you bundle it correctly?',
    ],
  ])('says in one line why koffi fails: %j', (message, why) => {
    expect(whyKoffiFails(new Error(message))).toBe(why)
  })
})
