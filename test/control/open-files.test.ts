import { describe, expect, it } from 'vitest'
import { openFilesPlace } from '../../src/control/open-files.js'
import { SILENT } from '../../src/ports/logger.js'
import { testScope } from '../support/scope.js'

const REST = {
  rotateBytes: null,
  rotateMs: null,
  compress: 'none',
  keepBytes: null,
  keepMs: null,
  keepFiles: null,
} as const
const WRITER = { minFreeBytes: 0, sync: 'never', syncIntervalMs: 1000 } as const

describe('a series of files', () => {
  it('is recorded by one gateway, however its path is written', async () => {
    const folder = testScope().tempDir()
    const open = (template: string) => openFilesPlace({ template, ...REST }, WRITER, SILENT)
    const { store } = await open(`${folder}/`)
    testScope().defer(async () => void (await store.close(0)))
    for (const same of [`${folder}/%Y%m%dT%H%M%SZ.pcapng`, `${folder}//`, `${folder}/./`])
      await expect(open(same), same).rejects.toMatchObject({ code: 'file_unwritable' })
    await (await open(`${folder}/%Y.pcapng`)).store.close(0)
  })
})
