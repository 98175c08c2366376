import { KvError } from '@qpkv/spec'

interface ParquetWriter {
  parquetWriteBuffer(options: {
    columnData: readonly { name: string; data: readonly unknown[]; type: string; nullable: boolean }[]
  }): ArrayBuffer
}

const packageName = 'hyparquet-writer'
const installed = async () => (await import(packageName)) as ParquetWriter

/**
 * Rows as a Parquet file by the optional package hyparquet-writer: numbers as DOUBLE, everything else as text; missing fields are null.
 * @param load where the package comes from
 * @throws KvError KV_UNSUPPORTED when the package is not installed
 */
export async function toParquet(
  rows: readonly Readonly<Record<string, string | number>>[],
  load = installed,
): Promise<Uint8Array> {
  let writer: ParquetWriter
  try {
    writer = await load()
  } catch (cause) {
    throw new KvError(
      'KV_UNSUPPORTED',
      `Parquet needs the optional package ${packageName}, which is not installed.`,
      {
        hint: `Install it with "npm install ${packageName}", or write --csv.`,
        cause,
      },
    )
  }
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const columnData = columns.map((name) => {
    const values = rows.map((row) => row[name])
    const numeric = values.every((value) => value === undefined || typeof value === 'number')
    return {
      name,
      data: values.map((value) => (value === undefined ? null : numeric ? value : String(value))),
      type: numeric ? 'DOUBLE' : 'STRING',
      nullable: true,
    }
  })
  return new Uint8Array(writer.parquetWriteBuffer({ columnData }))
}
