/**
 * A family of models as data: what its config.json calls things and how its block differs from the others'. Everything
 * else is read from config.json. A family is one file in `families/`; what a description cannot say needs an op first.
 */
export interface Architecture {
  /** `model_type` in config.json. */
  readonly modelType: string
  /** In `architectures` of config.json. */
  readonly className: string
  /** Where the text model's configuration stands, in models that see more than text; left out: at the top. */
  readonly configField?: string
  readonly tensors: TensorNames
  readonly defaults: ArchitectureDefaults
  /** Projections with biases, always or as a field says. Left out: none. */
  readonly bias?: { readonly qkv?: true | string; readonly output?: string; readonly mlp?: string }
  /** What q and k are normalized over before the rotary embedding, if they are. */
  readonly qkNorm?: 'head' | 'all-heads'
  /** Added to the weights of every norm, for families that store what differs from 1. */
  readonly normOffset?: 1
  /** Field of the activation; default `hidden_act`. */
  readonly activationField?: string
  readonly windows: WindowRule
  readonly rope?: RopeRule
  /** Factors where others have none: of embeddings, of what a half of a block adds, of logits; and of q k^T. */
  readonly factors?: {
    readonly embedding?: Factor
    readonly residual?: Factor
    readonly logits?: Factor
    /** Left out: 1 / sqrt(headDim). */
    readonly attention?: Factor
  }
  /** Soft caps: cap * tanh(logit / cap). */
  readonly caps?: { readonly attention?: Cap; readonly logits?: Cap }
  readonly experts?: ExpertRule
  /** How GGUF files of the family differ from its folders; left out: none are read. */
  readonly gguf?: GgufRule
  /** Fields that the family's configs have and that are computed at these values only (null and absent are one). */
  readonly only?: Readonly<Record<string, readonly unknown[]>>
  /** Fields of the family's configs that change nothing that is computed; a test holds the others to be read. */
  readonly ignored?: readonly string[]
}

/** Values that the family's config may leave out, as the transformers library fills them in. */
export interface ArchitectureDefaults {
  readonly contextTokens: number
  /** Left out: config.json must say them. */
  readonly queryHeads?: number
  readonly vocabSize?: number
  /** Left out: as many as query heads. */
  readonly kvHeads?: number
  /** Left out: hidden size / heads. */
  readonly headDim?: number
  readonly rmsEpsilon?: number
  /** Left out: false. */
  readonly tiedHead?: boolean
  readonly activation?: string
  /** null: none. */
  readonly slidingWindow?: number | null
}

/**
 * Which layers see only a sliding window: `later` ones from `max_window_layers` on; `all-but-every`: each n-th layer sees
 * all, n by a field where there is one. `layer_types` goes before the last three rules. `ifUsed`: only where
 * `use_sliding_window` is set.
 */
export type WindowRule = { readonly ifUsed?: true } & (
  | { readonly layers: 'none' | 'every' | 'without-rope' }
  | { readonly layers: 'later'; readonly first: number }
  | { readonly layers: 'all-but-every'; readonly n: number; readonly field?: string }
)

/** How rotary embeddings differ; left out: theta 10000, all layers alike, whole heads rotated. */
export interface RopeRule {
  readonly theta?: number
  /** Layers with a window have an embedding of their own: its theta by this field. */
  readonly windowed?: { readonly thetaField: string; readonly theta: number }
  /** `partial_rotary_factor` turns only the first channels. */
  readonly partial?: true
  /** Layers that are not rotated: 0 in a list field, else every n-th. */
  readonly without?: { readonly listField: string; readonly everyField: string; readonly every: number }
  /** Types that are computed, where transformers takes fewer than the engine knows. */
  readonly types?: readonly string[]
  /** `original_max_position_embeddings` where it is left out. */
  readonly originalTokens?: number
}

/** A family in GGUF files. Tensors are known by the part of the block that they are. */
export interface GgufRule {
  /** `general.architecture`, and what its keys begin with. */
  readonly architecture: string
  /** A key that tells the family from others of the same architecture, by being there. */
  readonly mark?: string
  /** Rows of q and k stand in pairs of rotated channels instead of halves. */
  readonly pairedRows?: true
  /** Norms are stored whole: nothing is added to them. */
  readonly wholeNorms?: true
  /** Fields of config.json by the keys that say the same. */
  readonly fields?: Readonly<Record<string, string>>
  /** Fields of config.json that no key says, as all models of the family have them. */
  readonly implied?: Readonly<Record<string, unknown>>
  /** Number of layers of the one model whose `query_pre_attn_scalar` is hidden size / heads; others have the head dimension. */
  readonly wideAttentionLayers?: number
}

/** A field to some power. */
export interface Factor {
  readonly field: string
  readonly fallback?: number
  readonly power?: number
}

/** A field that is null, or left out without a fallback, where there is no cap. */
export interface Cap {
  readonly field: string
  readonly fallback?: number
}

/** A mixture of experts in place of the MLP. */
export interface ExpertRule {
  /** Names of the same field; newer versions renamed it. */
  readonly countFields: readonly string[]
  readonly count: number
  readonly chosen: number
  readonly intermediateField: string
  readonly intermediate: number
  /** Whether the weights of the chosen experts sum to 1. */
  readonly normalize: true | { readonly field: string; readonly fallback: boolean }
  /** Layers with experts: all, or as `mlp_only_layers` and `decoder_sparse_step` say. */
  readonly layers: 'every' | 'by-step'
}

/** Parts of a layer by their role in the engine. */
export type LayerRole =
  | 'inputNorm'
  | 'attentionNorm'
  | 'postNorm'
  | 'mlpNorm'
  | 'q'
  | 'k'
  | 'v'
  | 'o'
  | 'qNorm'
  | 'kNorm'
  | 'gate'
  | 'up'
  | 'down'
  | 'router'
  | 'expertGate'
  | 'expertUp'
  | 'expertDown'

/**
 * Names of tensors in the files, `.weight` left out; biases stand beside as `.bias`. `#` is the layer, `@` the expert.
 * Roles with one name lie in one tensor behind one another. Norms are where they have a name: before attention
 * (inputNorm), after it (attentionNorm), before the MLP (postNorm), after it (mlpNorm).
 */
export interface TensorNames {
  readonly embed: string
  readonly norm: string
  readonly head: string
  readonly layer: Readonly<Partial<Record<LayerRole, string>>>
}
