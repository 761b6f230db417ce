import { configSchema } from './schema.js'

/**
 * Never called. In its declaration the compiler writes the type out in full; `z.input<…>` would stay as it is, and those who use the
 * package have no zod: without it, a config in their programs would be `any`.
 */
const input = () => configSchema('object')._zod.input

/** What a user writes. See docs/config.md for each key; every default is filled in by `parseConfig`. */
export type GatewayConfigInput = ReturnType<typeof input>
