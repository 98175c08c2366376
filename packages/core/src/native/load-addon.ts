import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { kvError } from '../errors.ts'
import type { Addon } from './addon.ts'
import { loadingAdvice } from './loading-advice.ts'
import { packageRoot } from './package-root.ts'
import { currentPlatform, platformPackage, type Platform } from './platform.ts'

/** Where an addon was looked for, and why it is not from there. */
interface AddonAttempt {
  readonly what: string
  readonly path: string
  readonly failure: string
}

/** A loaded addon and where it came from. */
export interface AddonSource {
  readonly addon: Addon
  readonly path: string
  readonly kind: 'environment' | 'workspace' | 'package'
}

export interface LoadAddonOptions {
  /** Folder of @qpkv/core. */
  readonly root?: string
  readonly env?: Record<string, string | undefined>
  readonly platform?: Platform
}

const require = createRequire(import.meta.url)
let loaded: AddonSource | undefined

/** The addon of this process; loaded once. */
export function loadAddon(): AddonSource {
  return (loaded ??= findAddon())
}

/**
 * Tries QPKV_CORE_NATIVE, then the build in the checkout, then the prebuilt platform package.
 * @throws KV_ADDON with all that was tried, why each failed and what to type.
 */
export function findAddon(options: LoadAddonOptions = {}): AddonSource {
  const root = options.root ?? packageRoot(import.meta.url)
  const env = options.env ?? process.env
  const platform = options.platform ?? currentPlatform()
  const attempts: AddonAttempt[] = []
  const attempt = (kind: AddonSource['kind'], what: string, path: string): AddonSource | undefined => {
    try {
      const addon = require(path) as Partial<Addon>
      if (typeof addon.createEngine !== 'function' || typeof addon.opTables !== 'function')
        throw new Error('it is no addon of this version')
      return { addon: addon as Addon, path, kind }
    } catch (cause) {
      attempts.push({ what, path, failure: firstLine(cause) })
      return undefined
    }
  }

  const override = env['QPKV_CORE_NATIVE']
  // An explicit path that does not work must not be papered over by another build.
  if (override) {
    const found = attempt('environment', 'QPKV_CORE_NATIVE', resolve(override))
    if (found) return found
    throw kvError('KV_ADDON', explain(attempts, platform), 'Correct or unset QPKV_CORE_NATIVE.')
  }

  const build = join(root, 'build', 'Release', 'qpkv_core.node')
  if (existsSync(build)) {
    const found = attempt('workspace', 'the build in the checkout', build)
    if (found) return found
  } else attempts.push({ what: 'the build in the checkout', path: build, failure: 'there is no such file' })

  const name = platformPackage(platform)
  const found = attempt('package', 'the prebuilt package', name)
  if (found) return found
  const failures = attempts.map(({ failure }) => failure)
  throw kvError('KV_ADDON', explain(attempts, platform), loadingAdvice(root, platform, failures))
}

function explain(attempts: readonly AddonAttempt[], platform: Platform): string {
  const tried = attempts.map(({ what, path, failure }) => `${what} (${path}): ${failure}`).join('; ')
  const libc = platform.libc && { gnu: 'glibc', musl: 'musl' }[platform.libc]
  const system = [platform.os, platform.arch, libc].filter(Boolean).join(' ')
  return `The native engine of @qpkv/core could not be loaded on ${system} with Node ${process.versions.node}. Tried ${tried}.`
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return (text.split('\n')[0] ?? text).trim()
}
