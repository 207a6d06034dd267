"""Make a folder from which immunescape is installed on a machine without internet.

python .ci/wheelhouse.py --uv UV --platform windows --python 3.12 wheelhouse

The versions are those of uv.lock; every file is a wheel, so that nothing is built there. Needs
pip and a connection here; there it needs Python of the same version, and nothing else.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TAGS = {
    "windows": ["win_amd64"],
    "macos": [f"macosx_{major}_0_arm64" for major in range(14, 10, -1)],
    "linux": [
        *(f"manylinux_2_{minor}_x86_64" for minor in (35, 34, 31, 28, 27, 26, 24, 17, 12, 5)),
        "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64",
    ],
}  # fmt: skip
UV_PLATFORM = {
    "windows": "x86_64-pc-windows-msvc",
    "macos": "aarch64-apple-darwin",
    "linux": "x86_64-manylinux_2_28",
}
ENV = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest that torch runs on
NAMES = {
    "windows": "Windows (64 bit)",
    "macos": "macOS 14 or later (Apple silicon)",
    "linux": "Linux (64 bit)",
}

README = """\
immunescape without internet
============================

This folder installs immunescape {version} with napari on {system} with Python {python}.
It holds {count} packages, {size_mb} MB. Nothing is fetched from anywhere else.
For research use, not for diagnosis.

1. Copy this folder to the machine, on a stick say. Path names may hold spaces.
2. Install Python {python} there if it is not ("{ask}" tells).
   The installer is at https://www.python.org/downloads/ : fetch it beforehand as well.
3. Open a terminal in this folder{terminal} and type:

{install}

4. Start it:

   {gui}

   Then File > Open Sample > immunescape > Sample patient, baseline, and go on as in TUTORIAL.md.

The network "compact" comes with the package. The larger ones (cpsam_v2, cpdino, cpdino-vitb) are
fetched when they are first used, which needs internet: use compact here, or weights of your own.

SHA256SUMS lists every file. To check them: {check}
"""
INSTALL = {
    "windows": r"""   py -{python} -m venv "%USERPROFILE%\immunescape"
   set PIP="%USERPROFILE%\immunescape\Scripts\python" -m pip
   %PIP% install --no-index --find-links wheels "immunescape[all]"
""",
    "macos": """   python{python} -m venv ~/immunescape
   ~/immunescape/bin/python -m pip install --no-index --find-links wheels "immunescape[all]"
""",
}
INSTALL["linux"] = INSTALL["macos"]
START = {
    "windows": r'"%USERPROFILE%\immunescape\Scripts\immunescape" gui',
    "macos": "~/immunescape/bin/immunescape gui",
    "linux": "~/immunescape/bin/immunescape gui",
}
TERMINAL = {
    "windows": ' (click the address line of its window, type "cmd", Enter)',
    "macos": ' (Control-click the folder, "New Terminal at Folder")',
    "linux": "",
}
CHECK = {
    "windows": 'certutil -hashfile FILE SHA256, beside its line',
    "macos": "shasum -a 256 -c SHA256SUMS",
    "linux": "sha256sum -c SHA256SUMS",
}  # fmt: skip


def run(*command: object, into: Path | None = None) -> None:
    """Run a command; end with its own message where it fails."""
    texts = [str(part) for part in command]
    with open(into or os.devnull, "w") as out:
        shown = None if into is None else out
        done = subprocess.run(texts, cwd=ROOT, stdout=shown, env=ENV)  # noqa: S603
    if done.returncode:
        sys.exit(f"wheelhouse: {Path(texts[0]).name} {texts[1]} failed; see above")


def main() -> None:
    """Build our wheel, fetch the others, and say how they are installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to make; one that is there is replaced")
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument("--platform", choices=sorted(TAGS), default=_here())
    parser.add_argument(
        "--python", default=f"{sys.version_info[0]}.{sys.version_info[1]}",
        help="version of Python on that machine, such as 3.12",
    )  # fmt: skip
    options = parser.parse_args()
    if not re.fullmatch(r"3\.1[1-9]", options.python):
        sys.exit(f"wheelhouse: Python {options.python} will not do; 3.11 or later is needed")
    out = options.out.resolve()
    stage = out.with_name(f".{out.name}.partial")
    shutil.rmtree(stage, ignore_errors=True)
    wheels = stage / "wheels"
    wheels.mkdir(parents=True)
    try:
        make(options, stage, wheels)
        if out.exists():
            if not (out / "SHA256SUMS").is_file():
                sys.exit(f"wheelhouse: {out.name} is there and is no wheelhouse; name another")
            shutil.rmtree(out)
        stage.rename(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    print(f"{out.name}: {NAMES[options.platform]}, Python {options.python}; see its README.txt")


def make(options: argparse.Namespace, stage: Path, wheels: Path) -> None:
    """Fill the folder, and prove that it is enough."""
    uv, python, platform = options.uv, options.python, options.platform
    run(uv, "build", "--quiet", "--wheel", "--out-dir", wheels)
    (wheels / ".gitignore").unlink(missing_ok=True)  # uv's own
    (own,) = wheels.glob("immunescape-*.whl")
    locked, wanted = stage / "locked.txt", stage / "wanted.txt"
    run(
        uv, "export", "--quiet", "--locked", "--no-default-groups", "--extra", "all",
        "--no-emit-project", "--no-hashes", "--no-header", into=locked,
    )  # fmt: skip
    target = ("--python-platform", UV_PLATFORM[platform], "--python-version", python)
    run(
        uv, "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate", *target,
        locked, into=wanted,
    )  # fmt: skip
    tags = [part for tag in TAGS[platform] for part in ("--platform", tag)]
    abi = "cp" + python.replace(".", "")
    run(
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary", ":all:", *tags, "--python-version", python,
        "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none",
        "--dest", wheels, "--requirement", wanted,
    )  # fmt: skip
    run(  # the folder alone satisfies every requirement, as it will have to there
        uv, "pip", "compile", "--quiet", "--no-index", "--find-links", wheels, "--no-header",
        "--extra", "all", *target, ROOT / "pyproject.toml", into=locked,
    )  # fmt: skip
    for path in (locked, wanted):
        path.unlink()
    shutil.copyfile(ROOT / "docs" / "tutorial.md", stage / "TUTORIAL.md")
    shutil.copyfile(ROOT / "LICENSE", stage / "LICENSE")
    (stage / "images").mkdir()
    for picture in (ROOT / "docs" / "images").glob("gui_*.png"):
        shutil.copyfile(picture, stage / "images" / picture.name)
    with zipfile.ZipFile(own) as archive:
        (meta,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(meta).decode()
    found = re.search(r"^Version: (.+)$", text, re.MULTILINE)
    files = sorted(wheels.iterdir())
    readme = README.format(
        version=found.group(1) if found else "",
        system=NAMES[platform],
        python=python,
        count=len(files),
        size_mb=round(sum(p.stat().st_size for p in files) / 1e6),
        ask=f"py -{python} --version" if platform == "windows" else f"python{python} --version",
        terminal=TERMINAL[platform],
        install=INSTALL[platform].format(python=python).rstrip(),
        gui=START[platform],
        check=CHECK[platform],
    )
    (stage / "README.txt").write_text(readme, encoding="utf-8", newline="\r\n")
    sums = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(stage).as_posix()}"
        for p in sorted(stage.rglob("*"))
        if p.is_file()
    ]
    (stage / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8", newline="\n")


def _here() -> str:
    return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


if __name__ == "__main__":
    main()
