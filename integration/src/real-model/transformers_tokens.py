"""Ids of texts by transformers: python transformers_tokens.py FOLDER < texts.json > ids.json"""
import json
import sys

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
json.dump([tokenizer(text)["input_ids"] for text in json.load(sys.stdin)], sys.stdout)
