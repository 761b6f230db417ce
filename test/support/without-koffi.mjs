// Preloaded into a tidegate: a machine for which koffi has no build.
import { Module } from 'node:module'

const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...rest) {
  if (name === 'koffi') throw new Error('Cannot find the native Koffi module; did you bundle it correctly?')
  return resolve.call(this, name, ...rest)
}
