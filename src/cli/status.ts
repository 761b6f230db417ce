/** A running gateway in figures: for the line that says it has closed, and as tables when SIGUSR2 asks. */

import type { Gateway } from '../control/gateway.js'
import type { EndpointStatus, UpstreamStatus } from '../control/upstreams/managed-upstream.js'
import type { ServiceStatus } from '../control/wake/service-figures.js'
import { formatAddress } from '../core/address.js'
import { humanDuration } from './human.js'
import { type Colours, type Column, createPagedTable } from './table.js'

/** Rows of each table, and endpoints in a summary; of more, it is said how many. */
const MAX_ROWS = 50

type Figures = Pick<Gateway, 'listeners' | 'connections' | 'counters'>

type Upstreams = Readonly<Record<string, UpstreamStatus>>

const isTelling = ({ endpoints }: UpstreamStatus): boolean =>
  endpoints.length > 1 ||
  endpoints.some(({ counts: { connected, ...others } }) => Object.values(others).some((count) => count > 0))

const summaryOf = ({ address, state, counts }: EndpointStatus) => {
  const { connected, failed, ...others } = counts
  const happened = Object.entries(others).filter(([, count]) => count > 0)
  return { endpoint: formatAddress(address), state, connected, failed, ...Object.fromEntries(happened) }
}

/** Of upstreams with more to tell than that all went to the one place and well; empty when there are none. */
export const upstreamFields = (upstreams: Upstreams): object => {
  const telling = Object.entries(upstreams).filter(([, status]) => isTelling(status))
  const endpoints = telling.flatMap(([upstream, status]) =>
    status.endpoints.map((endpoint) => ({ upstream, ...summaryOf(endpoint) })),
  )
  const more = endpoints.length - MAX_ROWS
  const services = Object.entries(upstreams).flatMap(([upstream, { service }]) =>
    service === null ? [] : [{ upstream, starts: service.starts, failures: service.failures }],
  )
  return {
    ...(services.length === 0 ? {} : { services }),
    ...(endpoints.length === 0 ? {} : { endpoints: endpoints.slice(0, MAX_ROWS) }),
    ...(more > 0 ? { moreEndpoints: more } : {}),
  }
}

const left = (...titles: string[]): readonly Column[] => titles.map((title) => ({ title }))
const right = (...titles: string[]): readonly Column[] =>
  titles.map((title) => ({ title, align: 'right' as const }))

const tableOf = (
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  colours: Colours,
): string => {
  // One page, whatever there is.
  const table = createPagedTable(columns, colours, MAX_ROWS + 1)
  for (const row of rows.slice(0, MAX_ROWS)) table.add(row)
  const more = rows.length - MAX_ROWS
  return `${table.end() ?? ''}${more > 0 ? `(and ${more} more)\n` : ''}`
}

const failureText = ({ lastFailure }: EndpointStatus): string =>
  lastFailure === null ? '-' : `${lastFailure.code}, ${humanDuration(lastFailure.ageMs)} ago`

const endpointRow = (upstream: string, endpoint: EndpointStatus): readonly string[] => [
  upstream,
  formatAddress(endpoint.address),
  endpoint.state,
  String(endpoint.active),
  String(endpoint.idle),
  String(endpoint.resetting),
  String(endpoint.counts.connected),
  String(endpoint.counts.failed),
  failureText(endpoint),
]

const upstreamRows = (upstreams: Upstreams): readonly (readonly string[])[] =>
  Object.entries(upstreams).flatMap(([name, { endpoints }]) =>
    endpoints.map((endpoint) => endpointRow(name, endpoint)),
  )

const orDash = (ms: number | null): string => (ms === null ? '-' : humanDuration(ms))

const serviceRow = (upstream: string, service: ServiceStatus, waiting: number): readonly string[] => [
  upstream,
  service.state,
  service.pid === null ? '-' : String(service.pid),
  orDash(service.uptimeMs),
  orDash(service.readyMs),
  String(service.starts),
  String(service.failures),
  String(waiting),
  service.lastFailure ?? '-',
]

const serviceRows = (upstreams: Upstreams): readonly (readonly string[])[] =>
  Object.entries(upstreams).flatMap(([name, { service, waiting }]) =>
    service === null ? [] : [serviceRow(name, service, waiting)],
  )

/** Of services that are started on demand; nothing where there are none. */
const serviceTable = (upstreams: Upstreams, colours: Colours): string => {
  const rows = serviceRows(upstreams)
  if (rows.length === 0) return ''
  const columns = [
    ...left('SERVICE', 'STATE'),
    ...right('PID', 'UPTIME', 'READY IN', 'STARTS', 'FAILURES', 'WAITING'),
    ...left('LAST FAILURE'),
  ]
  return tableOf(columns, rows, colours)
}

/** What only matters when it happens. */
const remarks = (upstreams: Upstreams): string =>
  Object.entries(upstreams)
    .flatMap(([name, { waiting, unresolved }]) => [
      ...(waiting > 0 ? [`${name}: ${waiting} clients wait for a connection\n`] : []),
      ...(unresolved.length > 0 ? [`${name}: not found: ${unresolved.slice(0, MAX_ROWS).join(', ')}\n`] : []),
    ])
    .slice(0, MAX_ROWS)
    .join('')

const stateCounts = (gateway: Figures): string => {
  const counts = new Map<string, number>()
  for (const { state } of gateway.connections()) counts.set(state, (counts.get(state) ?? 0) + 1)
  const texts = Array.from(counts, ([state, count]) => `${count} ${state}`)
  return `connections: ${texts.length === 0 ? 'none' : texts.join(', ')}\n`
}

/** Listeners, upstreams with their endpoints, and how many connections are in which state. */
export const statusText = (gateway: Figures, colours: Colours): string => {
  const { listeners, upstreams } = gateway.counters()
  const addresses = new Map(gateway.listeners.map(({ name, address }) => [name, formatAddress(address)]))
  const listenerRows = Object.entries(listeners).map(([name, { accepted, active }]) => [
    name,
    addresses.get(name) ?? 'closed',
    String(accepted),
    String(active),
  ])
  return [
    tableOf([...left('LISTENER', 'ADDRESS'), ...right('ACCEPTED', 'ACTIVE')], listenerRows, colours),
    tableOf(
      [
        ...left('UPSTREAM', 'ENDPOINT', 'STATE'),
        ...right('ACTIVE', 'IDLE', 'RESETTING', 'CONNECTED', 'FAILED'),
        ...left('LAST FAILURE'),
      ],
      upstreamRows(upstreams),
      colours,
    ),
    serviceTable(upstreams, colours),
    remarks(upstreams),
    stateCounts(gateway),
  ].join('')
}
