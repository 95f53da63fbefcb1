"""GOT-10k's own toolkit runs and scores a tracker of this package.

    python examples/got10k_toolkit.py GOT-10k val runs        # GOT-10k/val/list.txt and a folder a sequence

With the subset `test` it ends with the archive for the evaluation server. `siamtrack eval got10k` gives the same figures, runs
several sequences at a time and makes a page of them.
"""

import sys

from got10k.experiments import ExperimentGOT10k

import siamtrack
from siamtrack.eval import GOT10kTracker


def main(root, subset, out):
    """Run, and report: AO and success rates on val, the archive for the server on test."""
    # The benchmark means no re-detection: a tracker follows, and is not told to look elsewhere.
    tracker = GOT10kTracker(siamtrack.load(redetect=False), name="siamfc-lite")
    experiment = ExperimentGOT10k(root, subset=subset, result_dir=f"{out}/results", report_dir=f"{out}/reports")
    experiment.run(tracker)
    return experiment.report([tracker.name])


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
