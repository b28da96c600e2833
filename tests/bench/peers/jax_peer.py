"""jax_peer.py - the training steps in JAX: `jit` of a whole step, or of a `scan` over 100.

Both give their buffers away (donate). Weights are [in,out], as Flax has them.
"""
import itertools
import math
import os

import jax
import jax.numpy as jnp
import jaxlib
from jax import lax
from jax.nn import leaky_relu, relu, sigmoid, softplus

import peer

SCANNED = 100
args = peer.options(["jit", "scan"])
recording = peer.Recording(args)
PM1 = args.arch == "linear"
LAYERS = 2 if args.arch == "two-layer" else 1
ACTIVATION = relu if args.case == "mlp-step" else lambda x: leaky_relu(x, 0.1)
RATE = 1e-3 if args.case == "mlp-step" else 1e-4


def mlp(net, x):
    for i, (weight, bias) in enumerate(net):
        x = (ACTIVATION(x) if i else x) @ weight + bias
    return x


def log_prob(logits, x):
    return (x * logits - softplus(logits)).sum(-1)


def neg_elbo(nets, prior, v, uniforms, layer=1):
    fed = (lambda bits: 2 * bits - 1) if PM1 else (lambda bits: bits)
    logits = mlp(nets[f"encoder{layer}"], fed(v))
    p = sigmoid(logits)
    z = p + lax.stop_gradient((p > uniforms[layer - 1]) - p)
    top = layer == LAYERS
    above = -log_prob(prior, z) if top else neg_elbo(nets, prior, z, uniforms, layer + 1)
    decoded = mlp(nets[f"decoder{layer}"], fed(z))
    return log_prob(lax.stop_gradient(logits), z) - log_prob(decoded, v) + above


def loss(trained, x, uniforms):
    nets, prior = trained
    if args.case == "vae-step":
        return neg_elbo(nets, prior, x, uniforms).mean()
    log_q = jax.nn.log_softmax(mlp(nets[""], x))
    return -jnp.take_along_axis(log_q, jnp.asarray(recording.labels)[:, None], 1).mean()


def adam(net, gradient, mean, square, t):
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
    square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
    correction = lambda beta: -jnp.expm1(t * math.log(beta))  # 1 - beta^t, with all its digits
    rate, scale = RATE / correction(0.9), jnp.sqrt(correction(0.999))
    new = lambda w, m, s: w - rate * m / (jnp.sqrt(s) / scale + 1e-8)
    return jax.tree.map(new, net, mean, square), mean, square


def update(state, x, uniforms):
    value, (gradient, to_prior) = jax.value_and_grad(loss)((state["nets"], state["prior"]), x,
                                                           uniforms)
    t = state["t"] + 1
    nets, mean, square = adam(state["nets"], gradient, state["mean"], state["square"], t)
    prior = state["prior"] if args.arch == "nonlinear" else state["prior"] - 0.01 * to_prior
    return dict(state, nets=nets, mean=mean, square=square, prior=prior, t=t), value


def drawn_update(state, x):
    key, draw = jax.random.split(state["key"])
    uniforms = jax.random.uniform(draw, (LAYERS, args.batch, 200))
    return update(dict(state, key=key), x, uniforms)


def scanned_update(state, images):
    def step(carried, _):
        index = carried["t"].astype(jnp.int32) % len(images)
        return drawn_update(carried, lax.dynamic_index_in_dim(images, index, keepdims=False))
    return lax.scan(step, state, length=SCANNED)


def first_state():
    nets = {name: [(jnp.array(w.T), jnp.array(b)) for w, b in net]
            for name, net in recording.networks().items()}
    zeros = lambda: jax.tree.map(jnp.zeros_like, nets)
    return {"nets": nets, "mean": zeros(), "square": zeros(), "prior": jnp.zeros(200),
            "t": jnp.float32(0), "key": jax.random.key(1)}


def repeat():
    xs, all_uniforms, state = recording.batches(), recording.uniforms(), first_state()
    if args.how == "scan":
        xs = xs.take(range(len(all_uniforms)), 0, mode="wrap")
        return jax.jit(lambda s: lax.scan(lambda s, given: update(s, *given), s,
                                          (xs, all_uniforms)))(state)[1].tolist()
    losses, step = [], jax.jit(update, donate_argnums=0)
    for x, uniforms in zip(itertools.cycle(xs), all_uniforms):
        state, value = step(state, x, uniforms)
        losses.append(value.item())
    return losses


state = first_state()
if args.how == "scan":
    images = jnp.array(recording.batches())
    run = jax.jit(scanned_update, donate_argnums=0)
else:
    images = itertools.cycle([jnp.array(x) for x in recording.batches()])
    run = jax.jit(drawn_update, donate_argnums=0)


def steps(count):
    global state
    runs = -(-count // SCANNED) if args.how == "scan" else count
    for _ in range(runs):
        state, value = run(state, images if args.how == "scan" else next(images))
    jax.block_until_ready(state)
    return runs * SCANNED if args.how == "scan" else runs


peer.serve(steps, repeat, f"jaxlib {jaxlib.__version__}, {os.environ['PEER_KERNELS']}")
