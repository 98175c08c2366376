// The checks of this house that no other tool knows, one after the other; generated files are compared, not written.
process.argv.push('--check')
for (const name of [
  'check-floors',
  'check-package-shape',
  'check-method-names',
  'check-file-size',
  'generate-statistics',
  'generate-plan',
  'generate-architectures',
  'generate-methods',
  'generate-method-tables',
  'generate-benchmarks',
  'make-memory-table',
  'make-error-table',
  'format-native',
])
  await import(`./${name}.ts`)
