import { describe, expect, it } from 'vitest'
import {
  heatMapCells,
  heatMapsSvg,
  heatMapSvg,
  htmlReport,
  scoreColor,
  svgToPng,
  tradeoffPlotSvg,
  type HeatMap,
  type TradeoffCurve,
} from '../src/index.ts'
import { spreadLabels } from '../src/pictures/spread-labels.ts'
import { wellFormed } from './well-formed.ts'

const map: HeatMap = {
  title: 'Joint <2 bit> & more',
  lengths: [512, 1024],
  depths: [0, 50, 100],
  scores: [
    [0, 0.5],
    [1, null],
    [0.25, Number.NaN],
  ],
}

const point = (bytes: number, score: number) => ({ bytes, score, low: score - 0.1, high: score + 0.1 })
const curves: TradeoffCurve[] = [
  { label: 'prune only', kind: 'prune', points: [point(131_072, 0.5), point(65_536, 0.25)] },
  { label: 'joint, 4 bit', kind: 'joint', bits: 4, points: [point(65_536, 0.45), point(131_072, 0.5)] },
  { label: 'quantize <only>', kind: 'quantize', points: [{ ...point(1_048_576, 0.9), label: '4 bit' }] },
]

describe('the score colors', () => {
  it('of the originals are the three usual ones with straight lines between them', () => {
    const original = (score: number) => scoreColor(score, 'original')
    expect([0, 0.5, 1].map(original)).toEqual(['#F0496E', '#EBB839', '#0CD79F'])
    expect(original(0.25)).toBe('#EE8154')
    expect([original(-1), original(2)]).toEqual(['#F0496E', '#0CD79F'])
  })

  it('grow lighter with the score, so that grey shows them too', () => {
    const grey = (hex: string) =>
      [1, 3, 5].reduce(
        (sum, at, i) => sum + Number.parseInt(hex.slice(at, at + 2), 16) * ([0.299, 0.587, 0.114][i] ?? 0),
        0,
      )
    const tones = Array.from({ length: 21 }, (_, i) => grey(scoreColor(i / 20)))
    expect(tones).toEqual([...tones].sort((a, b) => a - b))
    expect(tones.at(-1)! - tones[0]!).toBeGreaterThan(150)
  })
})

describe('a heat map', () => {
  it('is well-formed, has a row per depth and a column per length, and a color bar', () => {
    const svg = heatMapSvg({ ...map, palette: 'original' })
    wellFormed(svg)
    expect(svg).toContain('Joint &lt;2 bit&gt; &amp; more')
    const fills = [...svg.matchAll(/<rect x="[\d.]+" y="[\d.]+" width="90" height="26" fill="(#\w+)"/g)].map(
      (m) => m[1],
    )
    expect(fills).toEqual(['#F0496E', '#EBB839', '#0CD79F', '#d8dee4', '#EE8154', '#d8dee4'])
    expect(svg.match(/stroke-dasharray="3 2"/g)).toHaveLength(3 + 4)
    expect(svg).toContain('>Score<')
    for (const label of ['>0%<', '>50%<', '>100%<', '>512<', '>1024<', '>0.0<', '>1.0<'])
      expect(svg).toContain(label)
  })

  it('draws the trained length between the columns around it, and only inside the map', () => {
    const at = (trainedLength: number) =>
      /<line x1="([\d.]+)"[^>]*stroke="#ffffff"/.exec(heatMapSvg({ ...map, trainedLength }))?.[1]
    expect(at(512)).toBe('97') // middle of the first column: 52 + 45
    expect(at(768)).toBe('142') // between the two
    expect(at(1024)).toBe('187')
    expect(at(4096)).toBeUndefined()
  })

  it('can stand beside others with one color bar', () => {
    const svg = heatMapsSvg([map, map, map], { title: 'All', columns: 2 })
    wellFormed(svg)
    expect(svg.match(/<g transform/g)).toHaveLength(3)
    expect(svg.match(/>Score</g)).toHaveLength(1)
    expect(() => heatMapsSvg([], { title: 'None' })).toThrow(/at least one/)
  })

  it('with scores of another shape is refused', () => {
    expect(() => heatMapSvg({ ...map, lengths: [512] })).toThrow(/3 x 1 scores/)
    expect(() => heatMapSvg({ ...map, lengths: [], scores: [[], [], []] })).toThrow(/at least one/)
  })

  it('takes the mean per cell and leaves gaps', () => {
    const values = [
      { length: 512, depth: 0, score: 1 },
      { length: 512, depth: 0, score: 0 },
      { length: 1024, depth: 50, score: 1 },
    ]
    expect(heatMapCells(values, [512, 1024], [0, 50])).toEqual([
      [0.5, null],
      [null, 1],
    ])
  })
})

describe('the plot of accuracy against bytes', () => {
  it('has a logarithmic axis, curves in order of bytes, intervals and a name per curve', () => {
    const svg = tradeoffPlotSvg({ title: 'T', curves })
    wellFormed(svg)
    const lines = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map((m) => m[1] ?? '')
    expect(lines).toHaveLength(2)
    const xs = lines[0]?.split(' ').map((pair) => Number(pair.split(',')[0])) ?? []
    expect(xs[1]).toBeGreaterThan(xs[0] ?? NaN)
    const tick = (label: string) => Number(new RegExp(`<text x="([\\d.]+)"[^>]*>${label}<`).exec(svg)?.[1])
    expect(tick('128 KiB') - tick('64 KiB')).toBeCloseTo(tick('256 KiB') - tick('128 KiB'), 1)
    for (const label of ['prune only', 'joint, 4 bit', 'quantize &lt;only&gt;', '4 bit'])
      expect(svg).toContain(`>${label}<`)
    expect(svg.match(/stroke-width="1.4"/g)).toHaveLength(5 * 3)
    expect(() => tradeoffPlotSvg({ title: 'T', curves: [] })).toThrow(/at least one point/)
  })

  it('ends, also with an empty cache among the points', () => {
    const svg = tradeoffPlotSvg({
      title: 'T',
      curves: [{ label: 'c', kind: 'prune', points: [point(0, 1), point(1024, 1), point(Infinity, 1)] }],
    })
    wellFormed(svg)
    expect(svg).not.toMatch(/"[^"<>]*(?:NaN|Infinity)[^"<>]*"/) // in no coordinate
  })

  it('moves names apart and keeps their order', () => {
    const places = spreadLabels([50, 10, 52, 51], 17, { low: 0, high: 300 })
    expect(places[1]).toBe(10)
    expect([places[0], places[3], places[2]]).toEqual([34, 51, 68])
    expect(spreadLabels([1, 2], 10, { low: 0, high: 100 })).toEqual([0, 10])
    expect(spreadLabels([99, 100], 10, { low: 0, high: 100 })).toEqual([90, 100])
  })
})

describe('the report', () => {
  const html = htmlReport({
    title: 'A <b> title',
    facts: [['Model', 'm & m']],
    sections: [
      {
        title: 'One',
        verdict: 'joint won',
        tables: [
          {
            columns: [{ title: 'Row' }, { title: 'Accuracy', align: 'right' }],
            rows: [{ cells: ['<full>', { text: '50 %', share: 0.5 }], best: true, begins: true }],
          },
        ],
        figures: [{ svg: heatMapSvg(map), caption: 'cap' }],
      },
    ],
    footer: 'end',
  })

  it('is one file that needs no other', () => {
    expect(html).not.toMatch(/<(script|link|img|iframe)|url\(h|@import|src=/)
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/)
  })

  it('is well-formed and escapes what it is given', () => {
    wellFormed(html.replace('<!doctype html>', '').replaceAll(/<meta [^>]*>/g, ''))
    for (const text of [
      'A &lt;b&gt; title',
      'm &amp; m',
      '&lt;full&gt;',
      '--w:50%',
      'class="best begins"',
      'joint won',
    ]) {
      expect(html).toContain(text)
    }
  })
})

describe('PNG', () => {
  it('comes from the optional package, at the scale that was asked for', async () => {
    let options: unknown
    class Resvg {
      constructor(_svg: string, given: object) {
        options = given
      }
      render = () => ({ asPng: () => new Uint8Array([137]) })
    }
    expect(await svgToPng('<svg/>', 3, async () => ({ Resvg }))).toEqual(new Uint8Array([137]))
    expect(options).toMatchObject({ fitTo: { mode: 'zoom', value: 3 } })
  })

  it('without the package says what to install', async () => {
    const absent = () => Promise.reject(new Error('Cannot find package'))
    await expect(svgToPng('<svg/>', 2, absent)).rejects.toMatchObject({
      code: 'KV_UNSUPPORTED',
      hint: expect.stringContaining('npm install @resvg/resvg-js') as string,
    })
  })
})
