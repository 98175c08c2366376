// Writes everything that is generated from folders and descriptors.
for (const name of [
  'generate-statistics',
  'generate-plan',
  'generate-architectures',
  'generate-methods',
  'generate-method-tables',
  'generate-benchmarks',
])
  await import(`./${name}.ts`)
