"""Token ids and texts of tokenizers 0.23 and transformers 5.18 for small tokenizers made here; writes expected.jsonl.

    pip install tokenizers==0.23.* transformers==5.18.*
    python make-expected.py

Lines are {"base": name, "definition": tokenizer.json}, then {"name", "base", "parts": what replaces its fields, "files": what
lies beside it, "texts": [text, ids without and with special tokens], "decodes": [ids, text without and with them]}.
"""

import json
import random
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

random.seed(7)
here = Path(__file__).parent
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
CASES = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEXTS = [
    "Hello, World! It's 12345 o'clock; we'LL don't",
    "  two  spaces   three \n\n new\r\nlines\t",
    "뒤틀린 황천의 이블린",
    "漢字仮名交じり文です。混合text",
    "e\u0301 a\u0308 Å A\u030a 각 \u1100\u1161\u11a8",
    "👩‍👩‍👧 👍🏽 ❤️ \U0001f9d1",
    "\ufeffbom nb\u00a0sp\u2003em\u0085nel",
    "ﬁ ① Ⅷ ½ ² ٣ १",
    "x = foo(bar[1:3])  # comment",
    "'s 'S 'ſ ΣΑΣ İ ß",
    "<s> </s> <|end|>x <mask> concat cat  cat",
    "▁already▁marked ▁ text <0x41>",
    "",
    " ",
    "a$b^c~d+e --- ...",
    "\u0000\u0001\u200b\u200d end",
]
WORDS = "hello world the cat sat on it is we do not how are you today some text with more words in it concat other"
corpus = TEXTS * 4 + [WORDS, WORDS.title(), " ".join(WORDS.split()[::-1])] * 4


def byte_level():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=380, special_tokens=["<s>", "</s>", "<|end|>"], initial_alphabet=alphabet, show_progress=False)
    )
    return t


def byte_fallback():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=420, limit_alphabet=60, special_tokens=special, show_progress=False))
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if not a["content"].startswith("<0x")]
    t = Tokenizer.from_str(json.dumps(j))
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.train_from_iterator(
        corpus, trainers.UnigramTrainer(vocab_size=330, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    )
    return t


bases = {"bytes": byte_level(), "fallback": byte_fallback(), "unigram": unigram()}
definitions = {name: json.loads(t.to_str()) for name, t in bases.items()}
out = [{"base": name, "definition": definition} for name, definition in definitions.items()]


def decodes(t):
    for _ in range(8):
        ids = [random.randrange(t.get_vocab_size()) for _ in range(random.randint(1, 6))]
        yield [ids, t.decode(ids), t.decode(ids, skip_special_tokens=False)]


def case(name, base, parts=None, texts=TEXTS):
    """`parts`: objects of the library by field, or JSON."""
    definition = dict(definitions[base])
    for field, part in (parts or {}).items():
        if part is None or isinstance(part, (list, dict)):
            definition[field] = part
            continue
        t = Tokenizer.from_str(json.dumps(definitions[base]))
        setattr(t, field, part)
        definition[field] = json.loads(t.to_str())[field]
    changed = {field: definition[field] for field in parts or {}}
    t = Tokenizer.from_str(json.dumps(definition))
    rows = [[text, t.encode(text, add_special_tokens=False).ids, t.encode(text).ids] for text in texts]
    own = [[t.encode(text).ids, t.decode(t.encode(text).ids), t.decode(t.encode(text).ids, skip_special_tokens=False)] for text in texts[:6]]
    out.append({"name": name, "base": base, "parts": changed, "texts": rows, "decodes": own + list(decodes(t))})


def beside(name, base, files):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokenizer.json").write_text(json.dumps(definitions[base]))
        for file, values in files.items():
            (Path(folder) / file).write_text(json.dumps(values))
        t = PreTrainedTokenizerFast.from_pretrained(folder)
        texts = ["a<|new|>b <|new|> c", "x <|two|>y", "hi </s> <tool> x", "cat concat hello"]
        rows = [[text, t.encode(text, add_special_tokens=False), t.encode(text)] for text in texts]
        named = {k: v for k, v in t.special_tokens_map.items() if isinstance(v, str)}
        ids = [i for row in rows for i in row[2]]
        both = [t.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False) for skip in (True, False)]
        out.append({"name": name, "base": base, "parts": {}, "files": files, "named": named, "texts": rows, "decodes": [[ids, *both]]})


def split_bytes(*parts):
    return pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


N, P = normalizers, pre_tokenizers
case("as it is", "bytes")
case("a prefix space", "bytes", {"pre_tokenizer": P.ByteLevel(add_prefix_space=True)})
for name, pattern in {"Llama 3": LLAMA3, "possessive": POSSESSIVE, "upper and lower case": CASES}.items():
    case(f"split by the pattern of {name}", "bytes", {"pre_tokenizer": split_bytes(P.Split(Regex(pattern), "isolated"))})
for behavior in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]:
    for invert in [False, True]:
        part = P.Split(Regex(r"\w+|\s"), behavior, invert=invert)
        case(f"split {behavior}{' inverted' if invert else ''}", "bytes", {"pre_tokenizer": split_bytes(part)}, TEXTS[:10])
    case(f"split at spaces {behavior}", "bytes", {"pre_tokenizer": split_bytes(P.Split(" ", behavior))}, TEXTS[:4])
for name, part in {
    "digits": P.Digits(),
    "single digits": P.Digits(individual_digits=True),
    "punctuation": P.Punctuation(),
    "punctuation contiguous": P.Punctuation("contiguous"),
    "whitespace": P.Whitespace(),
    "whitespace split": P.WhitespaceSplit(),
    "Bert": P.BertPreTokenizer(),
    "a delimiter": P.CharDelimiterSplit("t"),
    "a fixed length": P.FixedLength(3),
}.items():
    case(f"pre-tokenized by {name}", "bytes", {"pre_tokenizer": split_bytes(part)})
flags = lambda **more: {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False} | more
t = Tokenizer.from_str(json.dumps(definitions["bytes"]))
t.add_special_tokens([AddedToken("<mask>", lstrip=True), AddedToken("<|end|>x")])
t.add_tokens(
    [
        AddedToken("cat", single_word=True),
        AddedToken("hello"),
        AddedToken("World", rstrip=True),
        AddedToken("  ", normalized=False),
    ]
)
added = json.loads(t.to_str())["added_tokens"]
MARKED = TEXTS + ["cat's cats _cat cat_ catcat cat", "a <mask> b<mask>", "World  Hello hello WORLD", " <|end|>x <|end|> y"]
case("added tokens", "bytes", {"added_tokens": added}, MARKED)
for name, part in {
    "NFC": N.NFC(),
    "NFKD": N.NFKD(),
    "lower case": N.Lowercase(),
    "stripped": N.Strip(),
    "without accents": N.Sequence([N.NFD(), N.StripAccents()]),
    "replaced": N.Replace(Regex(r"\s+"), "$&"),
    "prepended": N.Prepend("x"),
    "Bert": N.BertNormalizer(),
    "bytes": N.ByteLevel(),
}.items():
    case(f"normalized: {name}", "bytes", {"normalizer": part})
    case(f"normalized: {name}, added tokens", "bytes", {"normalizer": part, "added_tokens": added}, MARKED[10:])
for name, part in {
    "RoBERTa": processors.RobertaProcessing(("</s>", 1), ("<s>", 0)),
    "a sequence": processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])]
    ),
}.items():
    case(f"post-processed by {name}", "bytes", {"post_processor": part}, TEXTS[:3])
prefix = N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])
case("a prepended mark", "fallback", {"normalizer": prefix, "pre_tokenizer": None})
case("marks for spaces", "fallback", {"normalizer": N.Replace(" ", "▁"), "pre_tokenizer": P.Split(" ", "merged_with_previous")})
for scheme in ["always", "first", "never"]:
    for cut in [True, False]:
        parts = {"pre_tokenizer": P.Metaspace(prepend_scheme=scheme, split=cut), "decoder": decoders.Metaspace(prepend_scheme=scheme)}
        case(f"Metaspace {scheme}{'' if cut else ', not split'}", "fallback", parts)
model = definitions["fallback"]["model"]
for name, fields in {
    "unknown tokens fused": {"byte_fallback": False},
    "unknown tokens apart": {"byte_fallback": False, "fuse_unk": False},
    "no unknown token": {"byte_fallback": False, "unk_token": None},
    "whole words first": {"ignore_merges": True},
}.items():
    # The model's other fields stand in the base.
    definition = {**definitions["fallback"], "model": {**model, **fields}}
    t = Tokenizer.from_str(json.dumps(definition))
    rows = [[text, t.encode(text, add_special_tokens=False).ids, t.encode(text).ids] for text in TEXTS]
    out.append({"name": name, "base": "fallback", "parts": {}, "model": fields, "texts": rows, "decodes": list(decodes(t))})
case("the likeliest cut", "unigram")
new = {"content": "<|new|>"} | flags(special=True)
config = {"tokenizer_class": "PreTrainedTokenizerFast"}
for base, free in {"bytes": 380, "fallback": 420}.items():
    for name, files in {
        "added_tokens_decoder": {"tokenizer_config.json": config | {"added_tokens_decoder": {str(free): new}}},
        "additional_special_tokens": {"tokenizer_config.json": config | {"additional_special_tokens": ["<|new|>", "<|two|>"]}},
        "extra_special_tokens": {"tokenizer_config.json": config | {"extra_special_tokens": {"tool_token": "<tool>"}}},
        "eos_token": {"tokenizer_config.json": config | {"eos_token": "<|new|>"}},
        "special_tokens_map.json": {
            "tokenizer_config.json": config | {"eos_token": "<|two|>"},
            "special_tokens_map.json": {"eos_token": {**new, "lstrip": True}},
        },
        "added_tokens.json": {"tokenizer_config.json": config, "added_tokens.json": {"<|new|>": free, "cat": free + 1}},
        "all of them": {
            "tokenizer_config.json": config
            | {"added_tokens_decoder": {str(free): new}, "eos_token": "<|two|>", "additional_special_tokens": ["<tool>"]}
        },
        "flags of an existing token": {"tokenizer_config.json": config | {"eos_token": "hello"}},
    }.items():
        beside(f"tokens in {name} ({base})", base, files)
(here / "expected.jsonl").write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in out))
print(len(out), "lines")
