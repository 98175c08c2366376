import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkCalibration } from '@qpkv/quantizer-kvquant'
import { modelFolder } from '@qpkv/reference-model'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'qpkv-calibrate-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const out = join(folder, 'reference.json')
const small = ['--tokens', '256', '--chunks', '2']

describe('qpkv calibrate', () => {
  it('writes levels for every layer that generate can use', async () => {
    const { code, stdout, stderr } = await run(['calibrate', '--out', out, ...small])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const calibration = checkCalibration(JSON.parse(readFileSync(out, 'utf8')), out)
    expect(calibration.layers).toHaveLength(4)
    expect(calibration.weighted).toBe(false)
    expect(stdout).toContain(`${calibration.tokens} tokens`)
    const quantize = `kvquant:bits=2,calibration='"${out}"'`
    const answer = await run([
      'generate',
      '--prompt',
      'The red boat',
      '--max-tokens',
      '4',
      '--quantize',
      quantize,
    ])
    expect(answer.stderr).toBe('')
    expect(answer.code).toBe(0)
  })

  it('names a model by the last part of its folder: calibrations are passed on', async () => {
    const text = join(folder, 'text.txt')
    writeFileSync(text, ' The red boat crosses the hill.'.repeat(12))
    const { code } = await run(['calibrate', '--out', out, '--model', modelFolder, '--text', text, ...small])
    expect(code).toBe(0)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ model: 'model' })
  })

  it('takes squared gradients, and says when they are not those of the texts', async () => {
    const text = join(folder, 'text.txt')
    writeFileSync(text, ' The red boat crosses the hill.'.repeat(12))
    const plain = await run(['calibrate', '--out', out, '--text', text, ...small])
    const tokens = Number(/from (\d+) tokens/.exec(plain.stdout)?.[1])
    const gradients = join(folder, 'gradients.f32')
    const args = ['calibrate', '--out', out, '--text', text, '--gradients', gradients, ...small]
    writeFileSync(gradients, Buffer.from(new Float32Array(4 * 2 * 2 * tokens * 64).fill(0.5).buffer))
    expect((await run(args)).code).toBe(0)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ weighted: true, tokens })
    writeFileSync(gradients, Buffer.alloc(12))
    const short = await run(args)
    expect(short.code).toBe(1)
    expect(short.stderr).toContain('ends after 12 bytes')
  })

  it('wants texts for other models', async () => {
    const { code, stderr } = await run(['calibrate', '--out', out, '--text', join(folder, 'nothing.txt')])
    expect(code).not.toBe(0)
    expect(stderr).toContain('nothing.txt')
  })
})
