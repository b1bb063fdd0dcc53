# Computes the losses and gradients that TestAgainstTorch compares with. Run it
# with any PyTorch from 1.13 on (Debian: python3-torch) and write what it prints
# to oracle.json:
#
#     python3 oracle.py > oracle.json
#
# Parameters and inputs follow a formula, so that only results need be kept:
# value i of a sequence is ((i * 7919 + seed) % 1000 - 500) / 500 * scale.

import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def sequence(n, seed, scale):
    return torch.tensor([((i * 7919 + seed) % 1000 - 500) / 500 * scale for i in range(n)])


def dense(x, w, b):
    return x.flatten(1) @ w + b


def conv(x, w, b, **options):
    # x is [n, height, width, channels], w [height, width, channels, out].
    y = F.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, **options)
    return y.permute(0, 2, 3, 1)


def pool(f, x, *args):
    return f(x.permute(0, 3, 1, 2), *args).permute(0, 2, 3, 1)


cases = {}


def case(name, input, shapes, forward, loss, classes):
    n = 4
    sizes = [torch.Size(s).numel() for s in shapes]
    flat = sequence(sum(sizes), 17, 0.3).requires_grad_()
    params, at = [], 0
    for s, size in zip(shapes, sizes):
        params.append(flat[at:at + size].reshape(s))
        at += size
    x = sequence(n * torch.Size(input).numel(), 5, 1).reshape([n] + input)
    y = torch.tensor([(3 * i + 1) % classes for i in range(n)]) if classes else sequence(n, 3, 1)
    total = loss(forward(x, *params), y)
    total.backward()
    g = flat.grad
    cases[name] = {
        "loss": total.item(),
        "norm": g.norm().item(),
        "at": {str(i): g[i].item() for i in range(0, len(g), max(len(g) // 12, 1))},
    }


softmax = lambda z, y: F.cross_entropy(z, y, reduction="sum")
sign = lambda y: 2.0 * y - 1

case("mlp relu", [6], [[6, 5], [5], [5, 3], [3]],
     lambda x, w, b, v, c: dense(F.relu(dense(x, w, b)), v, c), softmax, 3)
case("mlp gelu", [6], [[6, 5], [5], [5, 3], [3]],
     lambda x, w, b, v, c: dense(F.gelu(dense(x, w, b)), v, c), softmax, 3)
case("mlp tanh", [6], [[6, 5], [5], [5, 3], [3]],
     lambda x, w, b, v, c: dense(torch.tanh(dense(x, w, b)), v, c), softmax, 3)
case("mlp sigmoid", [6], [[6, 5], [5], [5, 3], [3]],
     lambda x, w, b, v, c: dense(torch.sigmoid(dense(x, w, b)), v, c), softmax, 3)
case("cnn valid", [7, 6, 2], [[3, 3, 2, 4], [4], [16, 3], [3]],
     lambda x, w, b, v, c: dense(pool(F.max_pool2d, F.relu(conv(x, w, b)), 2), v, c), softmax, 3)
case("cnn same", [6, 6, 2], [[3, 3, 2, 4], [4], [36, 3], [3]],
     lambda x, w, b, v, c: dense(pool(F.avg_pool2d, torch.tanh(conv(x, w, b, padding=1)), 2), v, c), softmax, 3)
case("cnn stride", [7, 7, 1], [[3, 3, 1, 4], [4], [36, 3], [3]],
     lambda x, w, b, v, c: dense(F.relu(conv(x, w, b, stride=2)), v, c), softmax, 3)
case("logistic", [6], [[6, 1], [1]],
     lambda x, w, b: dense(x, w, b)[:, 0], lambda z, y: F.softplus(-sign(y) * z).sum(), 2)
case("hinge", [6], [[6, 1], [1]],
     lambda x, w, b: dense(x, w, b)[:, 0], lambda z, y: F.relu(1 - sign(y) * z).sum(), 2)
case("squared", [6], [[6, 1], [1]],
     lambda x, w, b: dense(x, w, b)[:, 0], lambda z, y: 0.5 * F.mse_loss(z, y, reduction="sum"), 0)
case("absolute", [6], [[6, 1], [1]],
     lambda x, w, b: dense(x, w, b)[:, 0], lambda z, y: F.l1_loss(z, y, reduction="sum"), 0)
case("epsilon-insensitive", [6], [[6, 1], [1]],
     lambda x, w, b: dense(x, w, b)[:, 0], lambda z, y: F.relu((z - y).abs() - 0.25).sum(), 0)

# Five steps of each optimiser from w = 1, 2, 3 on the gradients g = w * c.
steps = {}
for name, make in {
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd, decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.05),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adam, decay": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.05),
}.items():
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    o = make([w])
    for _ in range(5):
        w.grad = w.detach() * torch.tensor([1.0, -0.5, 0.25])
        o.step()
    steps[name] = w.tolist()

print(json.dumps({"torch": torch.__version__, "cases": cases, "steps": steps}, indent=1))
