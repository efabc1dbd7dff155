#!/usr/bin/env python3
"""Writes a GGUF file of a little llama with random weights, with nothing but the standard library.

    make_tiny_gguf.py OUT [key=value ...]

Keys: width layers heads kv_heads ffn context seed (numbers); architecture; tokenizer (spm, none); experts (0: dense);
ffn_per_layer (1: an array over layers); tied (1: no output matrix); bos (0: the tokenizer adds none); template (0: no
chat template). The tokenizer is SentencePiece-like: three control tokens, 256 bytes and the printable ASCII letters.
"""
import array
import random
import struct
import sys

TEXT_TYPES = {"uint32": (4, "<I"), "int32": (5, "<i"), "float32": (6, "<f"), "bool": (7, "<?"), "uint64": (10, "<Q")}
STRING, ARRAY = 8, 9
F32 = 0
ALIGNMENT = 32
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


class Gguf:
    def __init__(self):
        self.pairs = []
        self.tensors = []

    def set(self, key, kind, value):
        if kind == "string":
            packed = struct.pack("<I", STRING) + text(value)
        elif isinstance(value, list):
            element = STRING if kind == "strings" else TEXT_TYPES[kind][0]
            packed = struct.pack("<IIQ", ARRAY, element, len(value))
            packed += b"".join(text(v) if kind == "strings" else struct.pack(TEXT_TYPES[kind][1], v) for v in value)
        else:
            packed = struct.pack("<I", TEXT_TYPES[kind][0]) + struct.pack(TEXT_TYPES[kind][1], value)
        self.pairs.append(text(key) + packed)

    def add(self, name, shape, values):
        self.tensors.append((name, shape, array.array("f", values).tobytes()))

    def write(self, path):
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.pairs)) + b"".join(self.pairs)
        offset = 0
        for name, shape, data in self.tensors:
            head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
            head += struct.pack("<IQ", F32, offset)
            offset += -(-len(data) // ALIGNMENT) * ALIGNMENT
        with open(path, "wb") as file:
            file.write(head + b"\0" * (-len(head) % ALIGNMENT))
            for _, _, data in self.tensors:
                file.write(data + b"\0" * (-len(data) % ALIGNMENT))


def vocabulary():
    normal, unknown, control, byte = 1, 2, 3, 6
    tokens = [("<unk>", unknown), ("<s>", control), ("</s>", control)]
    tokens += [(f"<0x{i:02X}>", byte) for i in range(256)]
    tokens += [("\u2581", normal)] + [(chr(c), normal) for c in range(33, 127)]
    return tokens


def make(path, width=64, layers=2, heads=4, kv_heads=2, ffn=128, context=2048, seed=0, architecture="llama",
         tokenizer="spm", experts=0, ffn_per_layer=0, tied=0, bos=1, template=1):
    rng = random.Random(seed)
    tokens = vocabulary()
    head = width // heads
    file = Gguf()
    file.set("general.architecture", "string", architecture)
    file.set("general.name", "string", "tiny-random")
    file.set("general.file_type", "uint32", 0)
    numbers = {"vocab_size": len(tokens), "context_length": context, "embedding_length": width, "block_count": layers,
               "attention.head_count": heads, "attention.head_count_kv": kv_heads, "rope.dimension_count": head}
    for key, value in numbers.items():
        file.set(f"{architecture}.{key}", "uint32", value)
    widths = [ffn] * layers
    if ffn_per_layer:
        file.set(f"{architecture}.feed_forward_length", "int32", widths)
    else:
        file.set(f"{architecture}.feed_forward_length", "uint32", ffn)
    if experts:
        file.set(f"{architecture}.expert_count", "uint32", experts)
        file.set(f"{architecture}.expert_used_count", "uint32", 2)
    file.set(f"{architecture}.attention.layer_norm_rms_epsilon", "float32", 1e-5)
    file.set(f"{architecture}.rope.freq_base", "float32", 10000.0)
    if tokenizer == "none":
        file.set("tokenizer.ggml.model", "string", "no_vocab")
    else:
        file.set("tokenizer.ggml.model", "string", "llama")
        file.set("tokenizer.ggml.pre", "string", "default")
        file.set("tokenizer.ggml.tokens", "strings", [t for t, _ in tokens])
        file.set("tokenizer.ggml.scores", "float32", [0.0 if kind == 1 else -1.0 for _, kind in tokens])
        file.set("tokenizer.ggml.token_type", "int32", [kind for _, kind in tokens])
        file.set("tokenizer.ggml.unknown_token_id", "uint32", 0)
        file.set("tokenizer.ggml.bos_token_id", "uint32", 1)
        file.set("tokenizer.ggml.eos_token_id", "uint32", 2)
        file.set("tokenizer.ggml.add_bos_token", "bool", bool(bos))
        file.set("tokenizer.ggml.add_eos_token", "bool", False)
        file.set("tokenizer.ggml.add_space_prefix", "bool", False)
        if template:
            file.set("tokenizer.chat_template", "string", CHATML)

    def matrix(name, *shape):  # ggml writes the fastest dimension first
        count = 1
        for n in shape:
            count *= n
        scale = shape[0] ** -0.5
        file.add(name, shape, [rng.gauss(0, scale) for _ in range(count)])

    def ones(name):
        file.add(name, (width,), [1.0] * width)

    matrix("token_embd.weight", width, len(tokens))
    ones("output_norm.weight")
    if not tied:
        matrix("output.weight", width, len(tokens))
    for layer in range(layers):
        p = f"blk.{layer}."
        ones(p + "attn_norm.weight")
        ones(p + "ffn_norm.weight")
        matrix(p + "attn_q.weight", width, heads * head)
        matrix(p + "attn_k.weight", width, kv_heads * head)
        matrix(p + "attn_v.weight", width, kv_heads * head)
        matrix(p + "attn_output.weight", heads * head, width)
        if experts:
            matrix(p + "ffn_gate_inp.weight", width, experts)
            matrix(p + "ffn_gate_exps.weight", width, ffn, experts)
            matrix(p + "ffn_up_exps.weight", width, ffn, experts)
            matrix(p + "ffn_down_exps.weight", ffn, width, experts)
        else:
            matrix(p + "ffn_gate.weight", width, ffn)
            matrix(p + "ffn_up.weight", width, ffn)
            matrix(p + "ffn_down.weight", ffn, width)
    file.write(path)


if __name__ == "__main__":
    pairs = dict(argument.split("=", 1) for argument in sys.argv[2:])
    make(sys.argv[1], **{k: v if k in ("architecture", "tokenizer") else int(v) for k, v in pairs.items()})
