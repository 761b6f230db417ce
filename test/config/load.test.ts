import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MAX_CONFIG_BYTES } from '../../src/config/defaults.js'
import { loadConfig, parseConfigText } from '../../src/config/load.js'
import { ConfigError } from '../../src/config/problems.js'
import { messageOf } from '../../src/errors.js'

const GOOD = 'listeners:\n  - listen: 127.0.0.1:6380\n    upstream: 127.0.0.1:6379\n'

const messageFor = (text: string): string => {
  try {
    parseConfigText(text, 'gate.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return messageOf(error)
  }
  throw new Error('expected a ConfigError')
}

/** Root reads what nobody may read. */
const withoutRoot = async (work: () => Promise<void>): Promise<void> => {
  if (process.geteuid?.() !== 0) return work()
  process.seteuid?.('nobody')
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}

describe('config text', () => {
  it('is YAML', () => {
    expect(parseConfigText(GOOD, 'gate.yaml').listeners[0]?.name).toBe('127.0.0.1:6380')
  })

  it('is JSON, with tabs, and forgives a trailing comma or a # comment', () => {
    const json = '{\n\t"listeners": [ # one\n\t{"listen": ":1", "upstream": "[::1]:2"},\n],\n}'
    expect(parseConfigText(json, 'gate.json').listeners[0]?.upstream).toBe('[::1]:2')
  })

  it('may start with a byte order mark and have Windows line ends', () => {
    expect(parseConfigText(`\uFEFF${GOOD.replaceAll('\n', '\r\n')}`, 'gate.yaml').listeners).toHaveLength(1)
  })

  it('may repeat a section by anchor and alias', () => {
    const text = `listeners:
  - { listen: ':1', upstream: 'a:1', timeouts: &slow { idle: 1h } }
  - { listen: ':2', upstream: 'a:1', timeouts: *slow }
`
    const idles = parseConfigText(text, 'gate.yaml').listeners.map(({ timeouts }) => timeouts.idleMs)
    expect(idles).toEqual([3_600_000, 3_600_000])
  })

  it.each([
    ['', 'gate.yaml: the file is empty; expected a mapping with listeners'],
    ['# only a comment\n', 'gate.yaml: the file is empty; expected a mapping with listeners'],
    ['- a\n- b\n', 'gate.yaml: found a list; expected a mapping'],
    ['hello', "gate.yaml: found 'hello'; expected a mapping"],
    [`${GOOD}log: {level: info\n`, 'gate.yaml: line 5, column 1: Flow map'],
    [`${GOOD}listeners: []\n`, 'gate.yaml: line 4, column 1: the key listeners stands here a second time'],
    [
      '{"listeners": [{"listen": ":1", "upstream": "a:1", "listen": ":2"}]}',
      'gate.yaml: line 1, column 52: the key "listen" stands here a second time',
    ],
    [`---\n${GOOD}---\n${GOOD}`, 'gate.yaml: line 5, column 1: a second document begins; expected one'],
    ['listeners: !env X\n', 'gate.yaml: line 1, column 12: Unresolved tag: !env'],
    ['listeners: *nowhere\n', 'gate.yaml: it cannot be read (Unresolved alias'],
    ['\tlisteners: []\n', 'gate.yaml: line 1, column 1: Tabs are not allowed as indentation'],
  ])('%j is refused in one line that says where', (text, start) => {
    const message = messageFor(text)
    expect(message.startsWith(start) ? start : message).toBe(start)
    expect(message.split('\n')).toHaveLength(1)
  })

  it('an IPv6 address without quotes is told how to be written', () => {
    expect(messageFor('listeners:\n  - listen: [::1]:80\n    upstream: a:1\n')).toContain(
      "line 2, column 18: Unexpected scalar at node end; an IPv6 address is written in quotes: '[::1]:80'",
    )
  })

  it('a document that doubles itself by aliases is refused, not expanded', () => {
    const levels = Array.from(
      { length: 20 },
      (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`,
    )
    expect(messageFor(`a0: &a0 [x]\n${levels.join('\n')}\n`)).toContain('Excessive alias count')
  })

  it.each(['[', '{a: ', '- ', '? '])('a nesting of 100,000 %j is refused, not followed', (opener) => {
    expect(messageFor(opener.repeat(100_000))).toBe(
      'gate.yaml: it is nested too deeply; expected a mapping with listeners',
    )
  })

  it('any change of a valid text gives a config or a ConfigError', () => {
    const change = fc.tuple(fc.nat(), fc.nat(12), fc.string({ unit: 'binary', maxLength: 6 }))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const text = changes.reduce((before, [at, cut, inserted]) => {
          const start = at % (before.length + 1)
          return before.slice(0, start) + inserted + before.slice(start + cut)
        }, `${GOOD}upstreams: { a: [:1, "b:2"] }\nlog: { level: warn }\ndrainTimeout: 5s\n`)
        try {
          parseConfigText(text, 'gate.yaml')
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
          for (const line of messageOf(error).split('\n')) expect(line).toMatch(/^gate\.yaml: /)
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('a config file', () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidegate-config-'))
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  const fileWith = async (name: string, contents: string | Uint8Array): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, contents)
    return path
  }

  it('starts relative paths at its own folder', async () => {
    const path = await fileWith('relative.yaml', `${GOOD}record: { file: traffic.pcapng }\n`)
    expect((await loadConfig(path)).record?.place).toEqual({
      kind: 'file',
      path: join(folder, 'traffic.pcapng'),
    })
  })

  it('is called by its path in messages', async () => {
    const path = await fileWith('wrong.yaml', 'listeners: []\n')
    await expect(loadConfig(path)).rejects.toThrow(
      `${path}: listeners: found an empty list; expected at least one`,
    )
  })

  it('that does not exist is one clear line', async () => {
    const path = join(folder, 'none.yaml')
    await expect(loadConfig(path)).rejects.toMatchObject({
      code: 'file_unreadable',
      errno: 'ENOENT',
      message: `${path}: there is no such file`,
    })
  })

  it('that is a folder is one clear line', async () => {
    await expect(loadConfig(folder)).rejects.toMatchObject({
      code: 'file_unreadable',
      message: `${folder}: it is a folder; expected a file`,
    })
  })

  it('that may not be read is one clear line', async () => {
    const path = await fileWith('secret.yaml', GOOD)
    await chmod(path, 0)
    await withoutRoot(() =>
      expect(loadConfig(path)).rejects.toMatchObject({
        code: 'file_unreadable',
        message: `${path}: no permission to read it`,
      }),
    )
  })

  it('that is no text, such as a recording, is told so', async () => {
    const path = await fileWith('traffic.pcapng', new Uint8Array([0x0a, 0x0d, 0x0d, 0x0a, 0xff, 0xfe]))
    await expect(loadConfig(path)).rejects.toThrow(
      `${path}: the file is not UTF-8 text; expected YAML or JSON`,
    )
  })

  it('that is too long is not read to its end', async () => {
    const path = await fileWith('long.yaml', '#'.repeat(MAX_CONFIG_BYTES + 1))
    await expect(loadConfig(path)).rejects.toThrow(`${path}: the file is longer than 1MiB; expected a config`)
  })
})
