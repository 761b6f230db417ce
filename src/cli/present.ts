/** The fields of an object that are given: a config reads a field that is undefined as one that is there. */

export const present = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } => {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/** Undefined where none of the fields is given. */
export const someOf = <T extends object>(fields: T) =>
  Object.values(fields).some((value) => value !== undefined) ? present(fields) : undefined
