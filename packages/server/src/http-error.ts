import { KvError } from '@qpkv/spec'

/** An error as clients of OpenAI's format read it. */
export class HttpError extends Error {
  readonly status: number
  readonly type: string
  readonly code: string | null
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    {
      type = 'invalid_request_error',
      code = null,
      param = null,
      headers = {},
    }: Partial<Pick<HttpError, 'type' | 'code' | 'param' | 'headers'>> = {},
  ) {
    super(message)
    this.status = status
    this.type = type
    this.code = code
    this.param = param
    this.headers = headers
  }

  get body() {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }

  toResponse(): Response {
    return Response.json(this.body, { status: this.status, headers: this.headers })
  }
}

const STATUS: Readonly<Record<string, number>> = {
  KV_INVALID_OPTION: 400,
  KV_INVALID_SPEC: 400,
  KV_UNKNOWN_METHOD: 400,
  KV_BUDGET_TOO_SMALL: 400,
  KV_CONFLICT: 400,
  KV_UNSUPPORTED: 400,
  KV_TOKENIZER: 400,
  KV_PROMPT_TOO_LONG: 400,
  KV_MEMORY: 503,
  KV_DISPOSED: 503,
}

/** What a client may know of a failure: messages of this project's own errors, of others nothing. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  if (KvError.isInstance(error)) {
    const status = STATUS[error.code] ?? 500
    const code = error.code === 'KV_PROMPT_TOO_LONG' ? 'context_length_exceeded' : error.code
    const message = error.hint === undefined ? error.message : `${error.message} ${error.hint}`
    return new HttpError(status, message, {
      type: status === 400 ? 'invalid_request_error' : 'server_error',
      code,
    })
  }
  return new HttpError(500, 'The server failed to answer.', { type: 'server_error' })
}
