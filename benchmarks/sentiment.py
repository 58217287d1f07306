"""Movie-review sentences: accuracy and time of the text classifier, over seeds.

    python -m benchmarks.sentiment FILE [--seeds 3] [--cell bilstm]

FILE is a CSV of texts and labels, e.g. the 10,662 sentences of Pang and Lee 2005. Every
seed holds out another tenth. The linear baseline is judged on the same texts.
"""

import argparse
import statistics
import time
from pathlib import Path

from refrain.study.versions import versions
from refrain.tasks.text.job import train_classifier
from refrain.tasks.text.options import TextJob
from refrain.tasks.text.reading import read_texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cell", default=TextJob.cell)
    arguments = parser.parse_args()
    found = read_texts(arguments.file, None, None)
    accuracies: dict[str, list[float]] = {"network": [], "linear": []}
    for seed in range(arguments.seeds):
        start = time.perf_counter()
        outcome = train_classifier(found, TextJob(seed=seed, cell=arguments.cell))
        whole_s = time.perf_counter() - start
        accuracies["network"].append(outcome.judgement.figures["accuracy"])
        accuracies["linear"].append(outcome.baseline.figures["accuracy"])
        training = outcome.classifier.training_
        print(
            f"seed {seed}: accuracy {accuracies['network'][-1]:.4f}, linear "
            f"{accuracies['linear'][-1]:.4f}; training {training.train_s:.0f} s, "
            f"{training.epochs} epochs; all of it {whole_s:.0f} s",
            flush=True,
        )
    for name, values in accuracies.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name}: accuracy {statistics.mean(values):.4f} ± {spread:.4f}")
    print(versions("scikit-learn", "tokenizers"))


if __name__ == "__main__":
    main()
