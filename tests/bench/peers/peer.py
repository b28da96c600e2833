"""peer.py - what the peers share: options, the recording that they start from, and turns.

A peer is a process that stays alive, as `build/bench --serve` is. It answers each line on standard
input: a number, "take so many steps", with the milliseconds of a step, the most memory held so far
in MB and the kernels in use; "repeat", "take the recorded steps", with their losses.
"""
import argparse
import json
import resource
import struct
import sys
import time

import numpy as np


def options(hows):
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=["vae-step", "mlp-step"], required=True)
    parser.add_argument("--arch", default="linear", choices=["linear", "two-layer", "nonlinear"])
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--how", choices=hows, required=True)
    parser.add_argument("--recording", required=True, help="of bench --record, for this batch")
    return parser.parse_args()


class Recording:
    """A file of `bench --record`: weights, images, uniforms, losses."""

    def __init__(self, args):
        with open(args.recording, "rb") as file:
            size, = struct.unpack("<Q", file.read(8))
            self._places = json.loads(file.read(size))
        self._numbers = np.memmap(args.recording, np.float32, "r", offset=8 + size)
        self._batch = args.batch
        self.labels = np.arange(args.batch) % 10

    def tensor(self, name):
        place = self._places[name]
        start, end = place["data_offsets"]
        return np.array(self._numbers[start // 4:end // 4]).reshape(place["shape"])

    def networks(self):
        """{"encoder1": [(weight [O,I], bias [O]), ...], ...}; the classifier's name is ""."""
        nets = {}
        for name in sorted(name for name in self._places if name.endswith(".weight")):
            net, _, _ = name.removesuffix(".weight").rpartition(".")
            weight, bias = self.tensor(name), self.tensor(name.removesuffix("weight") + "bias")
            nets.setdefault(net, []).append((weight, bias))
        return nets

    def batches(self):
        """[N,B,784]"""
        images = self.tensor("images")
        return images[:len(images) // self._batch * self._batch].reshape(-1, self._batch, 784)

    def uniforms(self):
        """[steps,layers,B,200]; of the classifier, which draws none, [steps,0]."""
        steps = self._places["losses"]["shape"][0]
        if "uniforms" not in self._places:
            return np.zeros((steps, 0), np.float32)
        return self.tensor("uniforms").reshape(steps, -1, self._batch, 200)


def serve(steps, repeat, kernels):
    """steps(n) takes about n steps and says how many; repeat() returns losses."""
    for line in sys.stdin:
        if line.strip() == "repeat":
            print(*repeat(), flush=True)
            continue
        start = time.perf_counter()
        taken = steps(int(line))
        ms = 1e3 * (time.perf_counter() - start) / taken
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(ms, peak_mb, kernels, flush=True)
