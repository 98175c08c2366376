import { loadModel } from '../../src/index.ts'

/*
 * node save-forever.ts MODEL FILE: saves two contexts to one place in turns until somebody ends it; says `saved` each time.
 * What stands there is thus always about to be replaced.
 */
const [folder = '', path = ''] = process.argv.slice(2)
const model = await loadModel(folder, { threads: 1 })
const contexts = [
  await model.prefill([21, 22, 23]),
  await model.prefill(Array.from({ length: 600 }, (_, i) => 20 + i)),
]
for (let i = 0; ; i++) {
  await contexts[i % 2]?.save(path)
  process.stdout.write('saved\n')
}
