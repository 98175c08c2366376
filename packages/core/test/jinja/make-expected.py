"""Renders templates.jsonl with jinja2 3.1.6 as transformers 5.18 sets it up; writes expected.jsonl.

    pip install transformers==5.18.* jinja2==3.1.6
    python make-expected.py

The first line holds the variables; every other line a template and its text, or null where it fails.
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

here = Path(__file__).parent
messages = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": ' Hi "there" \n'},
    {
        "role": "assistant",
        "content": "Hello\nyou",
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": [1.5, True, None]}}}],
    },
    {"role": "tool", "content": "42", "name": "f"},
    {"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image"}]},
]
parameters = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["a", "b"]}, "n": {"type": "integer", "default": 1}},
    "required": ["city"],
}
function = {"name": "get_weather", "description": 'Get "the" <weather> é', "parameters": parameters}
variables = {
    "messages": messages,
    "tools": [{"type": "function", "function": function}],
    "documents": None,
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "s": "Hello World",
    "e": "",
    "n": 5,
    "f": 2.5,
    "neg": -3,
    "l": [3, 1, 2],
    "d": {"b": 1, "a": 2},
    "t": True,
    "nn": None,
    "words": ["Ab", "aa", "B"],
    "users": [{"name": "x", "age": 3, "p": {"q": 1}}, {"name": "Y", "age": 1, "p": {"q": 2}}, {"name": "z", "age": 3}],
    "uni": "é漢👍x",
    "big": 10**15,
}


def render(source):
    try:
        return _compile_jinja_template(source).render(**variables)
    except Exception:
        return None


lines = (here / "templates.jsonl").read_text().splitlines()
out = [variables] + [[source, render(source)] for source in map(json.loads, lines)]
(here / "expected.jsonl").write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in out))
