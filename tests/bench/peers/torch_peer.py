"""torch_peer.py - the training steps in PyTorch 2: eager with Adam(fused=True), or the whole step
as one compiled graph: loss, gradient and Adam.
"""
import itertools
import math

import torch
from torch.nn.functional import cross_entropy, leaky_relu, linear, relu, softplus

import peer

args = peer.options(["eager", "compiled"])
torch.set_num_threads(args.threads)
torch.manual_seed(1)
recording = peer.Recording(args)
PM1 = args.arch == "linear"
LAYERS = 2 if args.arch == "two-layer" else 1
LABELS = torch.tensor(recording.labels)
RATE = 1e-3 if args.case == "mlp-step" else 1e-4


def activation(x):
    return relu(x) if args.case == "mlp-step" else leaky_relu(x, 0.1)


def mlp(net, x):
    for i, (weight, bias) in enumerate(net):
        x = linear(activation(x) if i else x, weight, bias)
    return x


def log_prob(logits, x):
    return (x * logits - softplus(logits)).sum(-1)


def fed(bits):
    return 2 * bits - 1 if PM1 else bits


def neg_elbo(nets, prior, v, uniforms, layer=1):
    logits = mlp(nets[f"encoder{layer}"], fed(v))
    p = logits.sigmoid()
    z = p + ((p > uniforms[layer - 1]).float() - p).detach()
    top = layer == LAYERS
    above = -log_prob(prior, z) if top else neg_elbo(nets, prior, z, uniforms, layer + 1)
    decoded = mlp(nets[f"decoder{layer}"], fed(z))
    return log_prob(logits.detach(), z) - log_prob(decoded, v) + above


def loss(nets, prior, x, uniforms):
    if args.case == "mlp-step":
        return cross_entropy(mlp(nets[""], x), LABELS)
    return neg_elbo(nets, prior, x, uniforms).mean()


def weights_of(nets):
    return [tensor for net in nets.values() for layer in net for tensor in layer]


class Trained:
    def __init__(self):
        self.nets = {name: [(torch.tensor(w), torch.tensor(b)) for w, b in net]
                     for name, net in recording.networks().items()}
        self.prior = torch.zeros(200)
        self.learns_prior = args.case == "vae-step" and args.arch != "nonlinear"
        self.weights = weights_of(self.nets)
        self.mean = [torch.zeros_like(weight) for weight in self.weights]
        self.square = [torch.zeros_like(weight) for weight in self.weights]
        self.t = torch.zeros(())
        self.step = self.eager_step
        if args.how == "compiled":
            self.step = torch.compile(self.functional_step, fullgraph=True)
            return
        for weight in [*self.weights, self.prior] if self.learns_prior else self.weights:
            weight.requires_grad_()
        self.adam = torch.optim.Adam(self.weights, lr=RATE, fused=True)

    def eager_step(self, x, uniforms):
        value = loss(self.nets, self.prior, x, uniforms)
        value.backward()
        self.adam.step()
        self.adam.zero_grad()
        if self.learns_prior:
            with torch.no_grad():
                self.prior -= 0.01 * self.prior.grad
            self.prior.grad = None
        return value.detach()

    def functional_step(self, x, uniforms):
        gradient_of = torch.func.grad_and_value(loss, argnums=(0, 1))
        (gradient, to_prior), value = gradient_of(self.nets, self.prior, x, uniforms)
        self.t += 1
        correction = lambda beta: -torch.expm1(self.t * math.log(beta))  # 1 - beta^t, all digits
        rate, scale = RATE / correction(0.9), correction(0.999).sqrt()
        for w, g, m, s in zip(self.weights, weights_of(gradient), self.mean, self.square):
            m.mul_(0.9).add_(0.1 * g)
            s.mul_(0.999).add_(0.001 * g * g)
            w.sub_(rate * m / (s.sqrt() / scale + 1e-8))
        if self.learns_prior:
            self.prior -= 0.01 * to_prior
        return value


def repeat():
    step = Trained().step
    batches = itertools.cycle(torch.tensor(recording.batches()))
    return [step(x, uniforms).item()
            for x, uniforms in zip(batches, torch.tensor(recording.uniforms()))]


step = Trained().step
images = itertools.cycle(torch.tensor(recording.batches()).unbind())


def steps(count):
    for _ in range(count):
        step(next(images), torch.rand(LAYERS, args.batch, 200) if args.case == "vae-step" else None)
    return count


parts = [line.strip(" -") for line in torch.__config__.show().splitlines()]
kernels = [line.split("-Product")[0].split(" (Git")[0].replace("Intel(R) ", "")
           .replace("oneAPI Math Kernel Library Version", "MKL").replace("MKL-DNN", "oneDNN")
           for line in parts if "Kernel Library" in line or "MKL-DNN" in line]
peer.serve(steps, repeat, ", ".join(
    [f"torch {torch.__version__}", torch.backends.cpu.get_cpu_capability(), *kernels]))
