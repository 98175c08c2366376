import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { platformPackage, type Platform } from './platform.ts'

/** What to type when no addon loads: chosen by what is there and how it failed. */
export function loadingAdvice(root: string, platform: Platform, failures: readonly string[]): string {
  const glibc = failures.map((text) => /version `GLIBC_([\d.]+)' not found/.exec(text)?.[1]).find(Boolean)
  if (glibc !== undefined)
    return `This system's C library is older than glibc ${glibc}, which the addon was built for: use a newer system or container (Debian 10, Ubuntu 20.04, RHEL 8 or later), or build it here in a checkout with: pnpm build.`
  if (existsSync(join(root, 'CMakeLists.txt')) && existsSync(join(root, 'native')))
    return 'In the checkout, type: pnpm build (it needs a C++ compiler and cmake).'
  const name = platformPackage(platform)
  const offered = prebuiltPackages(root)
  if (offered.length > 0 && !offered.includes(name)) return unsupported(platform, offered)
  const copied = offered.filter((other) => other !== name && isInstalled(root, other))
  if (copied.length > 0)
    return `node_modules holds ${copied.join(', ')}, which is for another system: it was copied here, or the lockfile was written there. Delete node_modules and type: npm install (with a lockfile: npm install --os=${platform.os} --cpu=${platform.arch}${platform.libc ? ` --libc=${platform.libc === 'gnu' ? 'glibc' : 'musl'}` : ''}).`
  return `Type: npm install ${name}. If it is missing although @qpkv/core is installed, optional packages were left out (npm --omit=optional, pnpm --no-optional, yarn --ignore-optional, or optional=false in .npmrc): install again without that.`
}

function unsupported(platform: Platform, offered: readonly string[]): string {
  const systems = offered.map((name) => name.replace('@qpkv/core-', '')).join(', ')
  const instead =
    platform.libc === 'musl'
      ? 'On Alpine use an image with glibc, such as node:22-bookworm-slim'
      : 'Use one of these systems (on Windows, WSL)'
  return `Prebuilt addons exist for ${systems}. ${instead}, or build it in a checkout: git clone, then pnpm build (it needs a C++17 compiler and cmake), and set QPKV_CORE_NATIVE to the file that it makes.`
}

/** The platform packages that this version offers. */
function prebuiltPackages(root: string): string[] {
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      optionalDependencies?: Record<string, string>
    }
    return Object.keys(manifest.optionalDependencies ?? {}).sort()
  } catch {
    return []
  }
}

/** Whether a package lies where Node would look for it from `root`; NODE_PATH aside, which would show another installation's. */
function isInstalled(root: string, name: string): boolean {
  for (let folder = root; ; folder = dirname(folder)) {
    const modules = basename(folder) === 'node_modules' ? folder : join(folder, 'node_modules')
    if (existsSync(join(modules, name, 'package.json'))) return true
    if (dirname(folder) === folder) return false
  }
}
