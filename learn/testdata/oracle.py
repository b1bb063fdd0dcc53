# Computes the losses and gradients that TestAgainstTorch compares with. Run it
# with any PyTorch from 1.13 and scikit-learn from 1.2 on (Debian: python3-torch,
# python3-sklearn) and write what it prints to oracle.json:
#
#     python3 oracle.py > oracle.json
#
# Parameters and inputs follow a formula, so that only results need be kept:
# value i of a sequence is ((i * 7919 + seed) % 1000 - 500) / 500 * scale.

import hashlib
import json
import math
import torch
import torch.nn.functional as F
from sklearn.kernel_approximation import RBFSampler

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


def padded(x, size, stride, value=0.0):
    # "same" as TensorFlow documents it: ceil(side / stride) windows along a side,
    # the odd row and column after. x is [n, height, width, channels].
    pads = []
    for side in (x.shape[2], x.shape[1]):
        total = max((-(-side // stride) - 1) * stride + size - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x.permute(0, 3, 1, 2), pads, value=value).permute(0, 2, 3, 1)


def average_same(x, size, stride):
    # What lies outside does not count.
    mean = lambda x: pool(F.avg_pool2d, padded(x, size, stride), size, stride)
    return mean(x) / mean(torch.ones_like(x))


class SplitMix64:
    # Steele, Lea and Flood 2014; package rng says how streams are named.
    def __init__(self, state):
        self.state = state

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    def uniform(self):
        return ((self.next() >> 11) + 0.5) / 2**53


def mask(shape, rate, source):
    # A number is dropped when the top 53 bits are less than rate * 2^53.
    kept = [float(source.next() >> 11 >= rate * 2**53) for _ in range(torch.Size(shape).numel())]
    return torch.tensor(kept).reshape(shape) / (1 - rate)


def rbf(inputs, units, gamma, seed):
    # The features, with frequencies and phases in the order in which they are
    # drawn (learn/rbf.go), and scikit-learn's opinion of the formula.
    source = SplitMix64(int.from_bytes(hashlib.sha256(seed.to_bytes(8, "little") + b"rbf").digest()[:8], "little"))
    normal = lambda: math.sqrt(-2 * math.log(source.uniform())) * math.cos(2 * math.pi * source.uniform())
    w = torch.tensor([normal() * math.sqrt(2 * gamma) for _ in range(inputs * units)]).reshape(inputs, units)
    b = torch.tensor([2 * math.pi * source.uniform() for _ in range(units)])

    def features(x):
        y = math.sqrt(2 / units) * torch.cos(x @ w + b)
        sampler = RBFSampler(gamma=gamma, n_components=units).fit(x.detach().numpy())
        sampler.random_weights_, sampler.random_offset_ = w.numpy(), b.numpy()
        assert torch.allclose(y.detach(), torch.tensor(sampler.transform(x.detach().numpy())))
        return y

    return features


cases = {}


def case(name, input, shapes, forward, loss, classes, l1=0.0, l2=0.0):
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
    weights = [w for w in params if w.dim() > 1]
    penalty = sum(l1 * w.abs().sum() + l2 / 2 * (w * w).sum() for w in weights)
    (total + n * penalty).backward()
    g = flat.grad
    cases[name] = {
        "loss": total.item(),
        "penalty": penalty.item(),
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

one_hot = lambda y: sign(F.one_hot(y, 3))
case("logistic, three classes", [6], [[6, 3], [3]],
     dense, lambda z, y: F.softplus(-one_hot(y) * z).sum(), 3)
case("hinge, three classes", [6], [[6, 3], [3]],
     dense, lambda z, y: F.relu(1 - one_hot(y) * z).sum(), 3)
case("penalties", [6], [[6, 5], [5], [5, 3], [3]],
     lambda x, w, b, v, c: dense(F.relu(dense(x, w, b)), v, c), softmax, 3, l1=0.01, l2=0.1)
case("svm", [6], [[6, 1], [1]],
     lambda x, w, b: dense(x, w, b)[:, 0], lambda z, y: F.relu(1 - sign(y) * z).sum(), 2, l2=0.1)
svr = rbf(6, 20, 0.25, 5)
case("svr", [6], [[20, 1], [1]],
     lambda x, w, b: dense(svr(x), w, b)[:, 0], lambda z, y: F.relu((z - y).abs() - 0.25).sum(), 0, l2=0.1)
middle = rbf(5, 20, 0.25, 5)
case("rbf in the middle", [6], [[6, 5], [5], [20, 3], [3]],
     lambda x, w, b, v, c: dense(middle(dense(x, w, b)), v, c), softmax, 3)
drops = SplitMix64(7)
first, second = mask([4, 6], 0.25, drops), mask([4, 5], 0.5, drops)
case("dropout", [6], [[6, 5], [5], [5, 3], [3]],
     lambda x, w, b, v, c: dense(torch.tanh(dense(x * first, w, b)) * second, v, c), softmax, 3)
case("cnn even window", [7, 6, 2], [[4, 4, 2, 4], [4], [168, 3], [3]],
     lambda x, w, b, v, c: dense(F.gelu(conv(x, w, b, padding="same")), v, c), softmax, 3)
case("cnn same stride", [7, 6, 2], [[3, 3, 2, 4], [4], [48, 3], [3]],
     lambda x, w, b, v, c: dense(F.relu(conv(padded(x, 3, 2), w, b, stride=2)), v, c), softmax, 3)
case("cnn even window, same stride", [7, 6, 2], [[4, 4, 2, 4], [4], [24, 3], [3]],
     lambda x, w, b, v, c: dense(F.relu(conv(padded(x, 4, 3), w, b, stride=3)), v, c), softmax, 3)
case("maxpool overlapping", [7, 6, 2], [[2, 2, 2, 4], [4], [16, 3], [3]],
     lambda x, w, b, v, c: dense(pool(F.max_pool2d, conv(x, w, b), 3, 2), v, c), softmax, 3)
case("avgpool overlapping", [7, 6, 2], [[2, 2, 2, 4], [4], [16, 3], [3]],
     lambda x, w, b, v, c: dense(pool(F.avg_pool2d, conv(x, w, b), 3, 2), v, c), softmax, 3)
case("maxpool same", [7, 6, 2], [[2, 2, 2, 4], [4], [36, 3], [3]],
     lambda x, w, b, v, c: dense(pool(F.max_pool2d, padded(conv(x, w, b), 3, 2, -math.inf), 3, 2), v, c), softmax, 3)
case("avgpool same", [7, 6, 2], [[2, 2, 2, 4], [4], [36, 3], [3]],
     lambda x, w, b, v, c: dense(average_same(conv(x, w, b), 3, 2), v, c), softmax, 3)
case("two convs", [7, 6, 2], [[3, 3, 2, 3], [3], [2, 2, 3, 5], [5], [60, 3], [3]],
     lambda x, w, b, v, c, u, d: dense(torch.sigmoid(conv(torch.tanh(conv(x, w, b)), v, c)), u, d), softmax, 3)
case("pool first", [7, 6, 2], [[18, 3], [3]],
     lambda x, w, b: dense(pool(F.max_pool2d, x, 2), w, b), softmax, 3)

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
