/** Bytes to text as they come: a character appears with its last byte. */
export interface ByteText {
  push(bytes: readonly number[]): string
  /** What is left: no further byte follows. */
  end(): string
}

const BROKEN = '\uFFFD'

/** Broken sequences become one sign each, as in the WHATWG's decoding. */
export class LossyByteText implements ByteText {
  private decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  push(bytes: readonly number[]): string {
    return this.decoder.decode(Uint8Array.from(bytes), { stream: true })
  }

  end(): string {
    const rest = this.decoder.decode()
    this.decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return rest
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decoded(bytes: readonly number[]): string | undefined {
  try {
    return strict.decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}

/** Every byte that belongs to no character becomes a sign of its own, as byte fallback has it. */
export class FallbackByteText implements ByteText {
  private open: number[] = []

  push(bytes: readonly number[]): string {
    let out = ''
    for (const byte of bytes) {
      this.open.push(byte)
      while (this.open.length > 0) {
        const text = decoded(this.open)
        if (text === undefined && mayBecomeCharacter(this.open)) break
        out += text ?? BROKEN
        this.open = text === undefined ? this.open.slice(1) : []
      }
    }
    return out
  }

  end(): string {
    const rest = BROKEN.repeat(this.open.length)
    this.open = []
    return rest
  }
}

/** Whether bytes can be the beginning of one character. */
function mayBecomeCharacter([lead = 0, ...rest]: readonly number[]): boolean {
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
  if (lead < 0xc2 || lead > 0xf4 || rest.length >= length - 1) return false
  const filler = Array.from({ length: length - 1 - rest.length }, () => 0x80)
  // With the least and with the greatest second byte; the others may be any.
  return [0x80, 0x90, 0xbf].some(
    (second) =>
      decoded([lead, ...(rest.length > 0 ? rest : [second]), ...filler.slice(rest.length > 0 ? 0 : 1)]) !==
      undefined,
  )
}

/** A run of bytes counts as a whole: it is a text, or every byte of it is broken. */
export class RunByteText implements ByteText {
  private run: number[] = []

  push(bytes: readonly number[]): string {
    this.run.push(...bytes)
    return ''
  }

  end(): string {
    const text = decoded(this.run) ?? BROKEN.repeat(this.run.length)
    this.run = []
    return text
  }
}
