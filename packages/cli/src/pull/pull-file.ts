/** Hosts that official files come from; tests and mirrors put other addresses in their place. */
export type Origin = 'github' | 'github-media' | 'hub' | 'squad' | 'hotpotqa'

/** A file of an official place. Nothing of it is shipped with qpkv. */
export interface PullFile {
  readonly origin: Origin
  /** Path on the host, with a leading slash. */
  readonly path: string
  /** Where it goes below the target folder. */
  readonly saveAs: string
  /** SHA-256 in hexadecimal where the project has checked one; else the one that the hub states, or none. */
  readonly sha256?: string
  readonly bytes?: number
}

/** What `qpkv pull NAME` fetches. */
export interface PullSet {
  readonly name: string
  readonly what: string
  /** Said before anything is fetched. */
  readonly license: string
  readonly files: readonly PullFile[]
  /** Makes files of ours from the fetched ones; returns their names. */
  readonly finish?: (folder: string) => Promise<string[]>
}

export const officialOrigins: Readonly<Record<Origin, string>> = {
  github: 'https://raw.githubusercontent.com',
  'github-media': 'https://media.githubusercontent.com',
  hub: 'https://huggingface.co',
  squad: 'https://rajpurkar.github.io',
  hotpotqa: 'http://curtis.ml.cmu.edu',
}
