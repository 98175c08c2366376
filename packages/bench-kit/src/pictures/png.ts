import { KvError } from '@qpkv/spec'

/** What of @resvg/resvg-js is used. */
interface ResvgModule {
  readonly Resvg: new (svg: string, options: object) => { render(): { asPng(): Uint8Array } }
}

const packageName = '@resvg/resvg-js'
const installed = async () => (await import(packageName)) as ResvgModule

/**
 * A picture as PNG bytes, in its light colors, by the optional package @resvg/resvg-js.
 * @param scale pixels per unit of the picture
 * @param load where the package comes from
 * @throws KvError KV_UNSUPPORTED when the package is not installed
 */
export async function svgToPng(svg: string, scale = 2, load = installed): Promise<Uint8Array> {
  let resvg: ResvgModule
  try {
    resvg = await load()
  } catch (cause) {
    throw new KvError(
      'KV_UNSUPPORTED',
      `PNG pictures need the optional package ${packageName}, which is not installed.`,
      {
        hint: `Install it with "npm install ${packageName}", or use the SVG.`,
        cause,
      },
    )
  }
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' }
  return new resvg.Resvg(svg, { fitTo: { mode: 'zoom', value: scale }, font }).render().asPng()
}
