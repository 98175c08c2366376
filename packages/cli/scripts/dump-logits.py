"""What transformers makes of a model, for `qpkv verify MODEL --against logits.json`.
Use: pip install torch transformers; python dump-logits.py MODEL logits.json (MODEL: a folder or org/name; with
gguf and accelerate installed too, a .gguf file)."""
import json, os, sys
import torch, transformers

name, out = sys.argv[1:3]
folder, file = os.path.split(name) if name.endswith(".gguf") else (name, None)
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
texts = ["The quick brown fox jumps over the lazy dog.", "def add(a, b):\n    return a + b\n", "1, 1, 2, 3, 5, 8, 13,",
         "Gr\u00fc\u00dfe aus Z\u00fcrich \u2013 \u6f22\u5b57 \U0001f469\u200d\U0001f469\u200d\U0001f467  and two spaces"]
messages = [{"role": "user", "content": " What is 2 + 2? "}, {"role": "assistant", "content": "4."}, {"role": "user", "content": "And 3 + 3?"}]
dump = {"format": "qpkv-logits", "version": 1, "model": name, "transformers": transformers.__version__, "samples": []}
for text in texts:
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    dump["samples"].append({"text": text, "ids": ids, "argmax": logits.argmax(-1).tolist(), "last": [round(x, 5) for x in logits[-1].tolist()]})
if getattr(tokenizer, "chat_template", None):
    dump["chat"] = {"messages": messages, "text": tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)}
json.dump(dump, open(out, "w"))
