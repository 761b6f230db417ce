import { afterEach, describe, expect, it, vi } from 'vitest'
import { runProgram } from '../../src/cli/program.js'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

/** Runs a command line in this process and returns what it printed. */
const run = async (...argv: readonly string[]) => {
  const out = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      out[name] += String(text)
      return true
    })
  const code = await runProgram(argv)
  vi.restoreAllMocks()
  return { ...out, code }
}

const COMMANDS = ['relay', 'record', 'serve', 'check', 'inspect', 'export', 'verify', 'demo']

describe('help', () => {
  it.each(COMMANDS)('of %s says what it does and has an example', async (command) => {
    const { stdout, stderr, code } = await run(command, '--help')
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(stdout).toContain(`tidegate ${command}`)
    expect(stdout).toMatch(/Examples?:\n +(\S+=\S+ )?tidegate /)
  })

  it('lists every command', async () => {
    const { stdout, code } = await run('--help')
    expect(code).toBe(0)
    for (const command of COMMANDS) expect(stdout).toContain(`  ${command}`)
  })

  it('is what a bare command line gets, as wrong usage', async () => {
    const { stdout, stderr, code } = await run()
    expect(stdout + stderr).toContain('Usage: tidegate')
    expect(code).toBe(2)
  })

  it('prints the version', async () => {
    expect(await run('--version')).toMatchObject({
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      code: 0,
    })
  })
})

describe('wrong usage is one line on stderr and exit code 2', () => {
  it.each([
    [['rleay', ':1', ':2'], "unknown command 'rleay'"],
    [
      ['relay', ':1', ':2', '--idle-timeut', '1s'],
      "unknown option '--idle-timeut' (Did you mean --idle-timeout?)",
    ],
    [['relay', ':1'], "missing required argument 'TARGET'"],
    [['record', ':1', ':2'], '--out PATH is missing'],
    [['record', ':1', ':2', '--ouy', 'x'], "unknown option '--ouy' (Did you mean --out?)"],
    [['record', ':1', ':2', '--out', '-'], "--out: '-' is not a file"],
    [['relay', ':1', '127.0.0.1:1'], 'leads back to LISTEN'],
    [['relay', '6380', ':2'], "LISTEN: '6380' is not an address: a port alone is written ':6380'"],
    [['relay', 'http://127.0.0.1:80', ':2'], "'http://' is a URL's beginning"],
    [['relay', 'nowhere', ':2'], "LISTEN: 'nowhere' is not an address: the port is missing"],
    [['relay', ':1', '::1:80'], "TARGET: '::1:80' is not an address: an IPv6 address is written in brackets"],
    [['relay', ':1', '127.0.0.1:0'], "TARGET: '127.0.0.1:0' is nowhere to connect to: port 0"],
    [
      ['relay', ':1', ':2', '--idle-timeout', '5x'],
      "--idle-timeout: '5x' is not a duration; expected e.g. 500ms",
    ],
    [['relay', ':1', ':2', '--max-connections', 'many'], "--max-connections: 'many' is not a count"],
    [['relay', ':1', ':2', '--allow', '10.0.0.0/33'], '--allow: '],
    [['relay', ':1', ':2', '--proxy-protocol', 'require'], '--proxy-from is missing'],
    [['relay', ':1', ':2', '--proxy-from', '10.0.0.5'], '--proxy-protocol is missing'],
    [['relay', ':1', ':2', '--proxy-protocol', 'require', '--proxy-from', 'lb'], '--proxy-from: '],
    [
      ['relay', 'unix:/a', ':2', '--proxy-protocol', 'accept', '--proxy-from', '10.0.0.5'],
      "--proxy-protocol: LISTEN is 'unix:/a'",
    ],
    [['relay', ':1', ':2', '--overflow', 'queue'], 'Allowed choices are wait, refuse'],
    [
      ['relay', ':1', ':2', '--balance', 'roundrobin'],
      'Allowed choices are first, round_robin, least_conn, random, source_hash',
    ],
    [['relay', ':1', ':2', ':3', ':02'], "TARGET: ':2' is given twice"],
    [['relay', ':1', ':2', '--engine', 'epoll'], 'Allowed choices are auto, linux, portable'],
    [
      ['relay', ':1', ':2', '--workers', '-1'],
      "--workers: '-1' is not a number of threads; expected 0 to 256",
    ],
    [
      ['serve', 'examples/relay.yaml', '--engine', 'portable', '--workers', '2'],
      '--workers: 2, but the portable engine serves on the main thread only',
    ],
    [
      ['relay', ':1', ':2', '--engine', 'portable', '--workers', '2'],
      'tidegate: --workers: 2, but the portable engine serves on the main thread only; expected 0, or --engine linux',
    ],
    [['record', ':1', ':2', '--out', 'x', '--buffer', '1KB'], "--buffer: '1KB' is not a size"],
    [['record', ':1', ':2', '--out', 'x', '--buffer', '1B'], '1MiB'],
    [['record', ':1', ':2', '--out', 'x', '--sample', '10%'], "--sample: '10%' is not a part of all"],
    [['record', ':1', ':2', '--out', 'x', '--record-allow', 'here'], "--record-allow: 'here' is not a CIDR"],
    [['record', ':1', ':2', '--out', 'x', '--redact', '['], '--redact: pattern /[/ at character 2'],
    [['record', ':1', ':2', '--out', 'x', '--max-bytes', '1'], "--max-bytes: '1' has no unit"],
    [
      ['record', ':1', ':2', '--out', 'x', '--max-bytes', '1KiB', '--metadata-only'],
      "'--metadata-only' cannot be used with option '--max-bytes <size>'",
    ],
  ] as const)('%j', async (argv, message) => {
    const { stdout, stderr, code } = await run(...argv)
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^tidegate: [^\n]+\n$/)
    expect({ stdout, code }).toEqual({ stdout: '', code: 2 })
  })

  it('also in one item of a list in the environment', async () => {
    vi.stubEnv('TIDEGATE_ALLOW', '10.0.0.0/8, 10.0.0.0/99')
    const { stderr, code } = await run('relay', ':1', ':2')
    expect(stderr).toContain("--allow (TIDEGATE_ALLOW): '10.0.0.0/99'")
    expect(code).toBe(2)
  })

  it('also in the environment, named as such', async () => {
    vi.stubEnv('TIDEGATE_IDLE_TIMEOUT', 'soon')
    const { stderr, code } = await run('relay', ':1', ':2')
    expect(stderr).toContain("--idle-timeout (TIDEGATE_IDLE_TIMEOUT): 'soon' is not a duration")
    expect(stderr).toMatch(/^tidegate: [^\n]+\n$/)
    expect(code).toBe(2)
  })
})
