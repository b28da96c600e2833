"""race.py - stflow's training steps beside those of JAX, PyTorch 2 and LibTorch; see ../PEERS.md.

Each contender is a process that stays alive and takes its turn when told, round after round; a
ratio is the median over rounds of two times of the same round. First each repeats 100 steps of
stflow, from the same weights with the same uniforms; one whose losses differ gets no ratio.
"""
import argparse
import collections
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = {"linear": ["--case", "vae-step", "--arch", "linear"],
          "two-layer": ["--case", "vae-step", "--arch", "two-layer"],
          "nonlinear": ["--case", "vae-step", "--arch", "nonlinear"],
          "classifier": ["--case", "mlp-step"]}
PEERS = {"JAX jit": ["jax_peer.py", "--how", "jit"],
         "JAX scan": ["jax_peer.py", "--how", "scan"],
         "PyTorch": ["torch_peer.py", "--how", "eager"],
         "PyTorch compiled": ["torch_peer.py", "--how", "compiled"],
         "LibTorch 1.13": ["bench_torch"]}
FIRST, LAST = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
PLACES = ["One thread", "Two threads", "Two processes of one thread each"]
GOOD_KERNELS = {"avx512": ("SkylakeX", "Cooperlake", "Sapphirerapids", "AVX512"),
                "avx2": ("Haswell", "Zen", "AVX2", "Excavator")}
TOLERANCE = 1e-3
EPOCH = 500  # steps of 100 images


def arguments():
    short = "--short" in sys.argv
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default="build", help="where bench and bench_torch are")
    parser.add_argument("--out", default="build/peers.md")
    parser.add_argument("--models", default="linear,nonlinear" if short else ",".join(MODELS))
    parser.add_argument("--batches", default="100" if short else "10,50,100,200")
    parser.add_argument("--whole", default="linear" if short else "linear,classifier",
                        help="models that are trained for whole epochs")
    parser.add_argument("--epochs", type=int, choices=range(1, 11), metavar="N",
                        default=1 if short else 10, help="how many of them, at most 10")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=7 if short else 15)
    parser.add_argument("--turn-ms", type=float, default=30)
    parser.add_argument("--isa", choices=["avx2"], help="restrict every contender to it")
    parser.add_argument("--short", action="store_true", help="two models, batch 100, one epoch")
    args = parser.parse_args()
    for name in ["models", "batches", "whole", "peers"]:
        setattr(args, name, [word for word in getattr(args, name).split(",") if word])
    return args


args = arguments()
scratch = tempfile.TemporaryDirectory(prefix="stflow-peers-")
out = open(args.out, "w")


def say(text=""):
    print(text, file=out, flush=True)
    print(text, flush=True)


def machine():
    """The processor's name and the widest instructions that a contender may use."""
    with open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    flags = set(fields["flags"].split())
    if not {"avx2", "fma"} <= flags:
        sys.exit("race.py: a processor with AVX2 is needed: older ones run generic kernels")
    wide = {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= flags
    return fields["model name"], args.isa or ("avx512" if wide else "avx2")


NAME, ISA = machine()


def environment(cache):
    """`cache` names the folder where PyTorch keeps what it compiles."""
    os.makedirs(os.path.join(scratch.name, cache), exist_ok=True)
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_L2_SIZE"}
    env.update(OPENBLAS_CORETYPE={"avx512": "SkylakeX", "avx2": "Haswell"}[ISA],
               ATEN_CPU_CAPABILITY=ISA, PEER_KERNELS=f"XLA for {ISA.upper()}",
               PYTHONDONTWRITEBYTECODE="1", TMPDIR=os.path.join(scratch.name, cache),
               TORCHINDUCTOR_COMPILE_THREADS="1")  # else a pool of processes waits for work
    if args.isa == "avx2":  # XLA's own limit does not hold for the products it takes from YNNPACK
        env.update(MKL_ENABLE_INSTRUCTIONS="AVX2", ONEDNN_MAX_CPU_ISA="AVX2",
                   PEER_KERNELS="XLA held to AVX2, products by oneDNN held to AVX2",
                   XLA_FLAGS="--xla_cpu_max_isa=AVX2 "
                             "--xla_cpu_experimental_ynn_fusion_type=invalid")
    return env


class Process:
    def __init__(self, name, model, batch, processors, cache="shared"):
        words = PEERS.get(name, ["bench", "--serve"])
        program = os.path.join(args.programs, words[0])
        if words[0].endswith(".py"):
            program = os.path.join(HERE, words[0])
            words = [sys.executable, program, *words[1:], "--recording", recording(model, batch)]
        else:
            words = [program, *words[1:]]
        self.name, self.ms, self.born = name, 0, time.perf_counter()
        self.errors = tempfile.TemporaryFile("w+", dir=scratch.name)
        self.process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, processors)), *words, *MODELS[model],
             "--batch", str(batch), "--threads", str(len(processors))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env=environment(cache))

    def ask(self, question):
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            sys.exit(f"race.py: {self.name} has ended:\n{self.errors.read()[-2000:]}")
        return line

    def timed(self):
        """Waits for a turn's end; milliseconds of a step."""
        ms, peak_mb, self.kernels = self.answer().strip().split(" ", 2)
        self.ms, self.peak_mb = float(ms), float(peak_mb)
        return self.ms

    def turn(self, steps):
        self.ask(steps)
        return self.timed()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


recorded = {}


def recording(model, batch):
    path = os.path.join(scratch.name, f"{model}-{batch}.safetensors")
    if (model, batch) not in recorded:
        subprocess.run([os.path.join(args.programs, "bench"), *MODELS[model], "--batch", str(batch),
                        "--record", path], check=True, env=environment("shared"))
        recorded[model, batch] = path
    return path


def losses(name, model, batch):
    """Of the recorded steps, by a peer."""
    if name == "LibTorch 1.13":
        words = [os.path.join(args.programs, "bench_torch"), *MODELS[model], "--batch", str(batch),
                 "--repeat", recording(model, batch)]
        line = subprocess.run(words, env=environment("shared"), check=True, text=True,
                              capture_output=True).stdout
    else:
        process = Process(name, model, batch, [FIRST, LAST])
        process.ask("repeat")
        line = process.answer()
        process.end()
    return [float(word) for word in line.split()]


def same_mathematics(batch):
    """Prints how far the peers' losses are from stflow's; the (peer, model) that are too far."""
    sys.path.insert(0, HERE)
    import peer
    table(f"The same mathematics: largest relative difference of 100 losses, batch {batch}; a "
          f"ratio is given below {TOLERANCE:g}", "model", *args.peers)
    refused = set()
    for model in args.models:
        recorded_file = argparse.Namespace(recording=recording(model, batch), batch=int(batch))
        ours = peer.Recording(recorded_file).tensor("losses").tolist()
        cells = []
        for name in args.peers:
            theirs = losses(name, model, batch)
            off = [abs(a - b) / abs(a) for a, b in zip(ours, theirs, strict=True)]
            cells.append(f"{max(off):.1e}")
            if not all(each <= TOLERANCE for each in off):  # nor where one is not a number
                refused.add((name, model))
        row(model, *cells)
    return refused


def row(*cells):
    say("| " + " | ".join(map(str, cells)) + " |")


def table(title, *columns):
    say(f"\n{title}\n")
    row(*columns)
    row(*["---"] * len(columns))


def spread(values):
    """The median, and the range of four fifths."""
    values = sorted(values)
    low, high = values[round(0.1 * (len(values) - 1))], values[round(0.9 * (len(values) - 1))]
    return f"{statistics.median(values):.2f} ({low:.2f}-{high:.2f})"


def together(processes, steps):
    """A turn of all at once; milliseconds for each step that is done, by whichever process."""
    time.sleep(0.015)  # until the threads of the turn before have stopped waiting actively
    for process in processes:
        process.ask(steps)
    return 1 / sum(1 / process.timed() for process in processes)


def started(model, batch, places):
    """For each place, its processors, a dict of the contenders, which have taken a step there."""
    groups = [{name: Process(name, model, batch, processors) for name in ["stflow", *args.peers]}
              for processors in places]
    for group in groups:
        for process in group.values():
            process.ask(1)
    for group in groups:
        for process in group.values():
            process.timed()
    return groups


def race(model, batch):
    """{title of the place: {contender: [ms of each round]}}, and the processes of one thread."""
    alone, both = started(model, batch, [[FIRST], [FIRST, LAST]])
    second, = started(model, batch, [[LAST]])  # compiled code is there by now
    teams = {}
    for name in alone:
        for title, team in zip(PLACES, [[alone[name]], [both[name]], [alone[name], second[name]]]):
            together(team, 10)
            slowest = max(process.ms for process in team)
            teams[title, name] = team, max(1, round(args.turn_ms / slowest))
    times = collections.defaultdict(lambda: collections.defaultdict(list))
    for _ in range(args.rounds):
        for (title, name), (team, steps) in teams.items():
            times[title][name].append(together(team, steps))
    for process in [*alone.values(), *both.values(), *second.values()]:
        process.end()
    return times, alone


def old_kernels(name, process):
    """Does a peer run other kernels than the best for the instructions it may use?"""
    return "JAX" not in name and not any(good in process.kernels for good in GOOD_KERNELS[ISA])


def steps_tables(refused):
    tables, memory, kernels = collections.defaultdict(list), [], {}
    for model in args.models:
        for batch in args.batches:
            print(f"racing: {model}, batch {batch}", file=sys.stderr)
            times, alone = race(model, batch)
            memory.append([model, batch, *(f"{process.peak_mb:.0f}" for process in alone.values())])
            kernels.update((name, process.kernels) for name, process in alone.items())
            for title, by_name in times.items():
                ours, cells, best = by_name["stflow"], [], (float("inf"), "-", "")
                for name in args.peers:
                    if (name, model) in refused or old_kernels(name, alone[name]):
                        cells.append("-")
                        continue
                    ratios = [theirs / own for theirs, own in zip(by_name[name], ours)]
                    cells.append(spread(ratios))
                    best = min(best, (statistics.median(ratios), cells[-1], name))
                tables[title].append([model, batch, f"{statistics.median(ours):.2f}", *cells,
                                      f"{best[1]} {best[2]}"])
                print(title, *tables[title][-1], sep=" | ", file=sys.stderr)
    for title in PLACES:
        table(f"{title}: their time over stflow's, median (range of four fifths)",
              "model", "batch", "stflow, ms", *args.peers, "the best peer")
        for cells in tables[title]:
            row(*cells)
    table("The most memory held, one thread, MB", "model", "batch", "stflow", *args.peers)
    for cells in memory:
        row(*cells)
    return kernels


def whole_runs():
    """From the start of a process, nothing compiled before, to so many epochs; one at a time."""
    table("Whole runs, batch 100, one thread, epochs of 50,000 images; nothing is compiled before. "
          f"Measured: to epoch {args.epochs}; what follows goes on at the speed of the last one",
          "model", "contender", "first step, s", "1 epoch, s", "10 epochs, s", "100 epochs, s")
    for model in args.whole:
        recording(model, 100)
        for name in ["stflow", *args.peers]:
            process = Process(name, model, 100, [FIRST], cache=f"{model}-{name}".replace(" ", "-"))
            process.turn(1)
            seconds = [time.perf_counter() - process.born]
            for epoch in range(args.epochs):
                step_ms = process.turn(EPOCH)
                seconds.append(time.perf_counter() - process.born)
            process.end()
            later = [seconds[-1] + 1e-3 * EPOCH * step_ms * (n - args.epochs) for n in (10, 100)]
            row(model, name, *(f"{s:.1f}" for s in [*seconds[:2], *later]))


def probe():
    """GFLOP/s of one core in multiply-adds of registers, the best of five."""
    words = [os.path.join(args.programs, "bench"), *"--serve --case op --rule fma --batch".split()]
    answers = subprocess.run(["taskset", "-c", str(FIRST), *words, "100000000"], text=True,
                             input="10\n" * 5, capture_output=True, check=True).stdout
    return 0.2 / min(1e-3 * float(line.split()[0]) for line in answers.splitlines())


def stolen():
    """Ticks that the host gave to others, and all."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def main():
    start, before, (stolen_before, all_before) = time.perf_counter(), probe(), stolen()
    if not os.path.exists(os.path.join(args.programs, "bench_torch")):
        args.peers = [name for name in args.peers if name != "LibTorch 1.13"]
    held = f", every contender held to {ISA.upper()}" if args.isa else f", {ISA.upper()}"
    say(f"{NAME}{held}; load before {os.getloadavg()[0]:.1f}")
    refused = same_mathematics(100)
    kernels = steps_tables(refused)
    whole_runs()
    stolen_after, all_after = stolen()
    say(f"\nOne core did {before:.0f} GFLOP/s in multiply-adds before and {probe():.0f} after; the "
        f"host took {100 * (stolen_after - stolen_before) / (all_after - all_before):.1f} % of the "
        f"time; all of it took {(time.perf_counter() - start) / 60:.0f} minutes. Kernels:\n")
    for name, text in kernels.items():
        own = "stflow's own for AVX512; " if name == "stflow" and ISA == "avx512" else ""
        aten = f", ATen {ISA.upper()}" if name == "LibTorch 1.13" else ""
        say(f"- {name}: {own}{'OpenBLAS ' if ' ' not in text else ''}{text}{aten}")
    for name, model in sorted(refused):
        say(f"- no ratio for {name}, {model}: its losses differ from stflow's")


main()
