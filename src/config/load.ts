/**
 * Config files. JSON is read as the YAML it is: one parser, the same messages with line and column; a trailing comma or
 * a `#` comment in it does no harm.
 */

import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Lexer, LineCounter, Parser, parseDocument, type YAMLError } from 'yaml'
import { errnoOf, messageOf, TidegateError } from '../errors.js'
import type { GatewayConfig } from './config.js'
import { MAX_CONFIG_BYTES } from './defaults.js'
import { type ParseOptions, parseConfig } from './parse.js'
import { ConfigError, oneLine } from './problems.js'
import { formatSize } from './units.js'

/** After the first few, syntax errors are only echoes of each other. */
const MAX_SYNTAX_ERRORS = 5

/** A config repeats a section now and then; a bomb repeats one that repeats one. */
const MAX_ALIASES = 1000

/** The schema is five levels deep. Far beyond that the YAML library, being recursive, would exhaust the stack and the process. */
const MAX_DEPTH = 64

const unusable = (filename: string, found: string, expected: string): ConfigError =>
  new ConfigError(filename, [{ path: '', found, expected, message: `${found}; expected ${expected}` }])

const UNQUOTED_IPV6 = /[\s:-]\[[\da-f.]*:[\da-f:.]*\]:\d/i

/** The parser's words, or ours where its are for programmers. */
const explain = (error: YAMLError, text: string): string => {
  const rest = text.slice(error.pos[0]).split('\n', 1)[0] ?? ''
  if (error.code === 'DUPLICATE_KEY') return `the key ${rest.split(/[\s:]/, 1)[0]} stands here a second time`
  if (error.code === 'MULTIPLE_DOCS') return 'a second document begins; expected one'
  const lineStart = text.lastIndexOf('\n', error.pos[0] - 1) + 1
  const line = text.slice(lineStart, error.pos[0]) + rest
  return UNQUOTED_IPV6.test(line)
    ? `${error.message}; an IPv6 address is written in quotes: '[::1]:80'`
    : error.message
}

const syntaxError = (
  filename: string,
  text: string,
  errors: readonly YAMLError[],
  lines: LineCounter,
): ConfigError =>
  new ConfigError(
    filename,
    errors.slice(0, MAX_SYNTAX_ERRORS).map((error) => {
      const { line, col } = lines.linePos(error.pos[0])
      const found = oneLine(explain(error, text))
      return { path: '', found, expected: 'YAML or JSON', message: `line ${line}, column ${col}: ${found}` }
    }),
  )

const isTooDeep = (text: string): boolean => {
  const parser = new Parser()
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return true
  }
  return false
}

const EXPECTED_SHAPE = 'a mapping with listeners'

/** The value that the text means, not yet checked. */
const readDocument = (text: string, filename: string): unknown => {
  if (isTooDeep(text)) throw unusable(filename, 'it is nested too deeply', EXPECTED_SHAPE)
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true })
  const errors = [...document.errors, ...document.warnings]
  if (errors.length > 0) throw syntaxError(filename, text, errors, lineCounter)
  const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
  if (value === null || value === undefined) throw unusable(filename, 'the file is empty', EXPECTED_SHAPE)
  return value
}

/**
 * Reads a config from YAML or JSON text.
 * @param filename for messages
 * @throws ConfigError (TidegateError `config_invalid`) with every problem, or with where the syntax is wrong.
 */
export const parseConfigText = (
  text: string,
  filename: string,
  options: Pick<ParseOptions, 'folder' | 'upstreamOptional'> = {},
): GatewayConfig => {
  let value: unknown
  try {
    value = readDocument(text, filename)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw unusable(filename, oneLine(`it cannot be read (${messageOf(error)})`), 'plain YAML or JSON')
  }
  return parseConfig(value, filename, { ...options, form: 'text' })
}

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'it is a folder; expected a file',
}

const readStart = async (path: string): Promise<Uint8Array> => {
  const file = await open(path, 'r')
  try {
    const buffer = new Uint8Array(MAX_CONFIG_BYTES + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return buffer.subarray(0, length)
  } finally {
    await file.close()
  }
}

const decode = (bytes: Uint8Array, path: string): string => {
  if (bytes.length > MAX_CONFIG_BYTES)
    throw unusable(path, `the file is longer than ${formatSize(MAX_CONFIG_BYTES)}`, 'a config')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw unusable(path, 'the file is not UTF-8 text', 'YAML or JSON')
  }
}

/**
 * Reads a config file. Relative paths in it start at its folder.
 * @throws TidegateError (rejects) `file_unreadable`, or as {@link parseConfigText}.
 */
export const loadConfig = async (path: string): Promise<GatewayConfig> => {
  let bytes: Uint8Array
  try {
    bytes = await readStart(path)
  } catch (error) {
    const errno = errnoOf(error)
    const why = (errno === undefined ? undefined : READ_FAILURES[errno]) ?? messageOf(error)
    throw new TidegateError('file_unreadable', `${path}: ${why}`, {
      fault: 'usage',
      where: path,
      cause: error,
      ...(errno === undefined ? {} : { errno }),
    })
  }
  return parseConfigText(decode(bytes, path), path, { folder: dirname(resolve(path)) })
}
