/**
 * Draws the activation machine (src/core/wake/machine.ts) by asking it: from a new service on, each event is given to each
 * state that was found, until no new one is. The clock stands still, so that storms are among them.
 */

import { NEW_SERVICE, transition } from '../build/core/wake/machine.js'

const TIMES = { startMs: 1, stopTimeoutMs: 1 }

const EVENTS = [
  { type: 'wanted' },
  { type: 'ready' },
  { type: 'ended', message: 'ended' },
  { type: 'start_due', message: 'late' },
  { type: 'unused' },
  { type: 'stop_due' },
  { type: 'backoff_due' },
  { type: 'reset' },
  { type: 'shutdown' },
].map((event) => ({ ...event, now: 0 }))

/** States with one key go on alike; more failures in a row than that only take longer. */
const MOST_FAILURES = 3

const keyOf = ({ at, isWanted, isLast, failure, history }) =>
  JSON.stringify([
    at,
    isWanted,
    isLast,
    typeof failure,
    Math.min(history.failures, MOST_FAILURES),
    history.starts.length,
  ])

/** From state to state, by which events. */
const explore = () => {
  const edges = new Map()
  const seen = new Set([keyOf(NEW_SERVICE)])
  const found = [NEW_SERVICE]
  for (const state of found)
    for (const event of EVENTS) {
      const { state: next } = transition(state, event, TIMES)
      if (next.at !== state.at) {
        const edge = `${state.at} --> ${next.at}`
        edges.set(edge, (edges.get(edge) ?? new Set()).add(event.type))
      }
      if (seen.has(keyOf(next))) continue
      seen.add(keyOf(next))
      found.push(next)
    }
  return edges
}

const drawing = () => {
  const edges = [...explore()].map(([edge, types]) => `    ${edge} : ${[...types].join(', ')}`)
  return ['```mermaid', 'stateDiagram-v2', '    [*] --> closed', ...edges, '    over --> [*]', '```'].join(
    '\n',
  )
}

const BEGIN =
  '<!-- diagram: written by scripts/wake-diagram.mjs from src/core/wake/machine.ts; `npm run generate` -->'
const END = '<!-- /diagram -->'

/** The page with the diagram of today between its marks. */
export const withWakeDiagram = (page) => {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin === -1 || end < begin) throw new Error(`docs/wake.md has no lines '${BEGIN}' and '${END}'`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${drawing()}\n\n${page.slice(end)}`
}
