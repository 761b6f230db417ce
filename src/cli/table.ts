/** Rows in columns, printed in pages so that a table of any length takes constant memory. */

import Table from 'cli-table3'
import picocolors from 'picocolors'
import type { Terminal } from './output.js'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

export interface PagedTable {
  /** Adds a row; returns a page of text when one is full, else null. */
  add(cells: readonly string[]): string | null
  /** The last page, or null if there is nothing left. */
  end(): string | null
}

/** Rows on a page: each page has its own header and its own column widths. */
export const PAGE_ROWS = 100

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

export type Colours = ReturnType<typeof picocolors.createColors>

/** Colours for a terminal that can show them, unless NO_COLOR (no-color.org) is set; none for anything else. */
export const coloursFor = (stream: Terminal): Colours => {
  const { NO_COLOR = '', TERM } = process.env
  return picocolors.createColors(stream.isTTY === true && NO_COLOR === '' && TERM !== 'dumb')
}

export const createPagedTable = (
  columns: readonly Column[],
  colours: Colours,
  pageRows: number = PAGE_ROWS,
): PagedTable => {
  let rows: string[][] = []

  const page = (): string => {
    const table = new Table({
      head: columns.map(({ title }) => colours.bold(title)),
      colAligns: columns.map(({ align = 'left' }) => align),
      chars: NO_LINES,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
    })
    table.push(...rows)
    rows = []
    return `${table.toString().replace(/ +$/gm, '')}\n`
  }

  return {
    add: (cells) => {
      rows.push([...cells])
      return rows.length >= pageRows ? page() : null
    },
    end: () => (rows.length === 0 ? null : page()),
  }
}
