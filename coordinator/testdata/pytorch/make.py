# Trains the two models that TestStartFromPyTorch starts from, writes their state_dicts as
# safetensors and their figures on MNIST's test images. The files here were made with
# PyTorch 1.13.1, which calls itself 1.13.0a0, and numpy 1.24.2 (Debian 12: python3-torch,
# python3-numpy):
#
#     python3 make.py ../../dataset/mnist > figures.json
#
# The files are what safetensors.torch.save_file writes, without that package: the length of
# a JSON header, the header, and the tensors by name.

import gzip
import json
import struct
import sys

import numpy as np
import torch
from torch import nn

torch.manual_seed(1)
torch.set_num_threads(1)


def idx(name):
    with gzip.open(f"{sys.argv[1]}/{name}.gz") as f:
        dims = struct.unpack(">4B", f.read(4))[3]
        shape = struct.unpack(f">{dims}I", f.read(4 * dims))
        return torch.from_numpy(np.frombuffer(f.read(), np.uint8).reshape(shape).copy())


def pictures(part):
    x, y = idx(f"{part}-images-idx3-ubyte"), idx(f"{part}-labels-idx1-ubyte")
    return (x.float() / 255).unsqueeze(1), y.long()


def save_file(tensors, path):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        data = tensors[name].contiguous().numpy().astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def train(model, x, y, steps):
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for _ in range(steps):
        batch = torch.randint(len(y), (50,))
        sgd.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        sgd.step()


models = {
    "mlp": nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10)),
    "cnn": nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(392, 16), nn.ReLU(), nn.Linear(16, 10),
    ),
}
x, y = pictures("train")
test_x, test_y = pictures("t10k")
figures = {"torch": torch.__version__}
for name, model in models.items():
    train(model, x, y, 600)
    save_file(model.state_dict(), f"{name}.safetensors")
    with torch.no_grad():
        z = model(test_x)
    figures[name] = {
        "loss": nn.functional.cross_entropy(z, test_y).item(),
        "accuracy": (z.argmax(1) == test_y).float().mean().item(),
    }
print(json.dumps(figures, indent=2))
