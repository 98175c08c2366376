import { KvError } from '@qpkv/spec'

/** What of pdfkit is used. */
type Pdf = NodeJS.ReadableStream & { end(): void }
interface PdfModules {
  readonly Document: new (options: { size: readonly [number, number]; margin: number }) => Pdf
  readonly draw: (document: Pdf, svg: string, x: number, y: number, options: object) => void
}

const packages = ['pdfkit', 'svg-to-pdfkit'] as const
const installed = async (): Promise<PdfModules> => {
  const [kit, svg] = (await Promise.all(packages.map((name) => import(name)))) as { default: unknown }[]
  return { Document: kit?.default as PdfModules['Document'], draw: svg?.default as PdfModules['draw'] }
}

/**
 * A picture as a PDF page of its size, in its light colors and with text as text, by the optional packages pdfkit and svg-to-pdfkit.
 * @param load where the packages come from
 * @throws KvError KV_UNSUPPORTED when they are not installed
 */
export async function svgToPdf(svg: string, load = installed): Promise<Uint8Array> {
  let modules: PdfModules
  try {
    modules = await load()
  } catch (cause) {
    throw new KvError(
      'KV_UNSUPPORTED',
      `PDF pictures need the optional packages ${packages.join(' and ')}.`,
      {
        hint: `Install them with "npm install ${packages.join(' ')}", or use the SVG.`,
        cause,
      },
    )
  }
  const [, width = '800', height = '460'] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []
  const document = new modules.Document({ size: [Number(width), Number(height)], margin: 0 })
  const done = collect(document)
  // The style sheet holds dark colors alone, which paper does not want.
  modules.draw(document, svg.replace(/<style>[^]*?<\/style>/, ''), 0, 0, {
    assumePt: true,
    fontCallback: (_: string, bold: boolean) => (bold ? 'Helvetica-Bold' : 'Helvetica'),
  })
  document.end()
  return done
}

async function collect(stream: Pdf): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
