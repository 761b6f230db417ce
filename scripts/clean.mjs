// Removes what an earlier build left, so that a deleted source file cannot live on in the package.
import { rmSync } from 'node:fs'

for (const made of ['build', 'dist'])
  rmSync(new URL(`../${made}`, import.meta.url), { recursive: true, force: true })
