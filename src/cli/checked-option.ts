/**
 * Options and arguments whose values are checked as they are read, so that a message names where its value came from. Each
 * option can also be given in the environment, as `TIDEGATE_` and its name; a flag wins.
 */

import { Option } from 'commander'
import { readersFrom } from '../config/paths.js'
import { parseAddress } from '../core/address.js'
import { messageOf } from '../errors.js'
import { usageError } from './failure.js'

export type Check = (text: string) => unknown

/** Runs a check of ours over a value, so that its message names the argument, option or variable it came from. */
const named =
  (name: string, check: Check) =>
  (text: string): string => {
    try {
      check(text)
      return text
    } catch (thrown) {
      throw usageError(`${name}: ${messageOf(thrown)}`)
    }
  }

/** As `named`. Commander does not say whether a value is the flag's or the environment's. */
const namedOption =
  (flag: string, check: Check, wholeText?: string) =>
  (text: string): string => {
    const variable = environmentOf(flag)
    const isVariables = process.env[variable] === (wholeText ?? text)
    return named(isVariables ? `${flag} (${variable})` : flag, check)(text)
  }

/** As `namedOption`, for one that may be repeated, and whose value may have any character in it. */
export const repeated =
  (flag: string, check: Check) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    namedOption(flag, check)(text),
  ]

export const namedList =
  (flag: string, check: Check) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    ...text.split(',').map((part) => namedOption(flag, check, text)(part.trim())),
  ]

const flagOf = (flags: string): string => /--[\w-]+/.exec(flags)?.[0] ?? flags

const environmentOf = (flags: string): string =>
  `TIDEGATE_${flagOf(flags).slice(2).replaceAll('-', '_').toUpperCase()}`

export const option = (flags: string, description: string): Option =>
  new Option(flags, description).env(environmentOf(flags))

export const checked = (flags: string, description: string, check: Check): Option =>
  option(flags, description).argParser(namedOption(flagOf(flags), check))

/** `name: check` for a positional argument. */
export const addressArgument = (name: string) => named(name, parseAddress)

/** As `addressArgument`, for one or more places to connect to. */
export const endpointListArgument =
  (name: string) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    named(name, readersFrom(undefined).endpoint)(text),
  ]
