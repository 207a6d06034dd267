"""Tiles that are kept until a slide is done."""

import json
import subprocess
import sys
import threading
import time
from subprocess import PIPE

import numpy as np
import psutil
import pytest

from immunescape.blocks import in_threads, iter_blocks
from immunescape.errors import OutputError
from immunescape.io import ownership
from immunescape.io.tile_store import TileStore

HOLDS = """
import sys, time
from pathlib import Path
from immunescape.io.tile_store import TileStore

TileStore.open(Path(sys.argv[1]))
print("holds", flush=True)
time.sleep(60)
"""
BLOCKS = list(iter_blocks((40, 60), 20))


class Asked:
    """Remembers which blocks it was asked for; sums their corners."""

    def __init__(self, fails_at=None):
        self.blocks = []
        self.fails_at = fails_at

    def __call__(self, block):
        if block == self.fails_at:
            raise KeyboardInterrupt
        self.blocks.append(block)
        return None if block.y0 else {"corner": np.array([block.y0, block.x0]), "text": "ä"}


def one_by_one(step, function, blocks):
    return map(function, blocks)


def results(store, asked, key="k" * 20, step="a step", base=in_threads):
    found = list(store.stage("stage", key).keeping(base)(step, asked, BLOCKS))
    return [f if f is None else f["corner"].tolist() for f in found]


def expected():
    return [None if b.y0 else [b.y0, b.x0] for b in BLOCKS]


def test_what_is_kept_is_not_done_again(tmp_path):
    store = TileStore.open(tmp_path / "tiles")
    first, second = Asked(), Asked()
    assert results(store, first) == expected()
    assert sorted(first.blocks) == sorted(BLOCKS)
    assert results(TileStore.open(tmp_path / "tiles"), second) == expected()
    assert second.blocks == []


def test_an_interrupted_step_goes_on_behind_its_last_tile(tmp_path):
    store = TileStore.open(tmp_path / "tiles")
    cut = Asked(fails_at=BLOCKS[4])
    with pytest.raises(KeyboardInterrupt):
        results(store, cut, base=one_by_one)
    assert cut.blocks == BLOCKS[:4]
    again = Asked()
    assert results(store, again, base=one_by_one) == expected()
    assert again.blocks == BLOCKS[4:]


@pytest.mark.parametrize("damage", [b"", b"tile1", b"nonsense" * 9, None])
def test_a_damaged_tile_is_made_again(tmp_path, damage):
    store = TileStore.open(tmp_path / "tiles")
    results(store, Asked())
    place = store.stage("stage", "k" * 20).folder / "a-step" / "0-20-20-40"
    data = place.read_bytes()
    place.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage is None else damage)
    again = Asked()
    assert results(store, again) == expected()
    assert again.blocks == [BLOCKS[1]]
    assert results(store, Asked()) == expected()


def test_another_key_takes_nothing_over_and_leaves_nothing(tmp_path):
    store = TileStore.open(tmp_path / "tiles")
    results(store, Asked())
    other = Asked()
    assert results(store, other, key="l" * 20) == expected()
    assert len(other.blocks) == len(BLOCKS)
    assert [p.name for p in store.folder.glob("stage-*")] == ["stage-" + "l" * 16]


def test_steps_and_tile_sizes_are_told_apart(tmp_path):
    store = TileStore.open(tmp_path / "tiles")
    results(store, Asked())
    other = Asked()
    assert results(store, other, step="another step") == expected()
    assert len(other.blocks) == len(BLOCKS)
    larger = Asked()
    mapper = store.stage("stage", "k" * 20).keeping(in_threads)
    assert len(list(mapper("a step", larger, list(iter_blocks((40, 60), 30))))) == 4
    assert len(larger.blocks) == 4


def test_only_one_run_works_on_a_slide(tmp_path):
    store = TileStore.open(tmp_path / "tiles")
    TileStore.open(tmp_path / "tiles")  # this process may
    store.leave()
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(store.folder)], stdout=PIPE) as other:
        assert other.stdout.readline() == b"holds\n"
        with pytest.raises(OutputError, match="another run works on tiles"):
            TileStore.open(tmp_path / "tiles")
        other.kill()
        # it has ended, though nobody asked how: a lock of a dead process holds nothing
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        TileStore.open(tmp_path / "tiles").remove()
    assert not (tmp_path / "tiles").exists()


@pytest.mark.parametrize("told", ["{", "[]", '{"pid": 1}', '{"host": "elsewhere", "pid": 1}'])
def test_a_run_on_another_machine_is_known_by_its_signs_of_life(tmp_path, monkeypatch, told):
    monkeypatch.setattr(ownership, "BEAT_S", 0.1)
    (tmp_path / "tiles").mkdir()
    owner = tmp_path / "tiles" / "owner.json"
    owner.write_text(told)
    TileStore.open(tmp_path / "tiles").leave()  # it is silent
    owner.write_text(told)
    ended = threading.Event()
    other = threading.Thread(target=ownership._beat, args=(owner, ended))
    other.start()
    try:
        with pytest.raises(OutputError, match="another run works on tiles"):
            TileStore.open(tmp_path / "tiles")
    finally:
        ended.set()
        other.join()
    assert owner.read_text() == told


def test_an_owner_gives_signs_of_life_until_it_lets_go(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "BEAT_S", 0.01)
    store = TileStore.open(tmp_path / "tiles")
    owner = tmp_path / "tiles" / "owner.json"
    seen = {owner.stat().st_mtime_ns}
    while len(seen) < 3:
        time.sleep(0.01)
        seen.add(owner.stat().st_mtime_ns)
    store.leave()
    time.sleep(0.05)
    assert not owner.exists()


def test_what_a_faster_process_holds_is_not_taken_from_it(tmp_path):
    owner = tmp_path / "owner.json"
    owner.write_text('{"pid": 1}')
    gone = {"pid": 2}  # as was read before the other took hold
    assert not ownership._clear(owner, gone)
    assert json.loads(owner.read_text()) == {"pid": 1}
    assert ownership._clear(owner, {"pid": 1})
    assert list(tmp_path.iterdir()) == []
    assert not ownership._clear(owner, {"pid": 1})


def test_after_a_power_cut_all_is_begun_anew(tmp_path):
    store = TileStore.open(tmp_path / "tiles")
    results(store, Asked())
    owner = store.folder / "owner.json"
    told = json.loads(owner.read_text())
    owner.write_text(json.dumps(told | {"pid": 0}))  # killed alone: goes on
    again = Asked()
    assert results(TileStore.open(tmp_path / "tiles"), again) == expected()
    assert again.blocks == []
    owner.write_text(json.dumps(told | {"boot": told["boot"] - 3600}))
    assert results(TileStore.open(tmp_path / "tiles"), again) == expected()
    assert sorted(again.blocks) == sorted(BLOCKS)


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write into file: .*--scratch"):
        TileStore.open(tmp_path / "file" / "tiles")
