/** What went wrong where nobody awaits it must not vanish: Node prints a warning, or tells whoever listens for warnings. */
export const warn = (message: string): void => process.emitWarning(message, { type: 'TidegateWarning' })
