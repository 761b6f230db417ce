import { expect, it } from 'vitest'
import { loadPackages } from '../../src/postgres/packages.js'

it('says how to install packages that are missing', async () => {
  const missing = Object.assign(new Error(`Cannot find package 'pg'`), { code: 'ERR_MODULE_NOT_FOUND' })
  await expect(loadPackages(() => Promise.reject(missing))).rejects.toMatchObject({
    fault: 'usage',
    message: expect.stringMatching(/not installed.*: npm install pg pg-copy-streams$/),
  })
})

it('tells packages that are broken from missing ones', async () => {
  await expect(loadPackages(() => Promise.reject(new Error('bad elf')))).rejects.toMatchObject({
    fault: 'usage',
    message: expect.stringContaining('(bad elf)'),
  })
})
