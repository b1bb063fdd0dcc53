import json
import math
import struct

import numpy as np

with open({file}, "rb") as f:
    header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    body = f.read()
about = header.pop("__metadata__")
spec = json.loads(about["spec"])
tensors = {
    name: np.frombuffer(body[slice(*t["data_offsets"])], "<f4").reshape(t["shape"])
    for name, t in header.items()
}
activations = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
}


def outputs(x):
    for i, layer in enumerate(spec["layers"]):
        if layer["kind"] == "dense":
            x = x @ tensors[f"dense{i}.weight"] + tensors[f"dense{i}.bias"]
            x = activations[layer["activation"]](x)
        elif layer["kind"] == "rbf":
            x = x @ tensors[f"rbf{i}.weight"] + tensors[f"rbf{i}.bias"]
            x = math.sqrt(2 / layer["units"]) * np.cos(x)
        elif layer["kind"] != "dropout":
            raise ValueError(layer["kind"] + ": use the ONNX file")
    return x
