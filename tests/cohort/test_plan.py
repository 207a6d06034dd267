"""What is done where: parts of a cohort, groups that share gates, and what counts as changed."""

import dataclasses
from pathlib import Path

import pytest

from immunescape.cohort.plan import Group, Work, groups_of, shard_of, study_of, work_on
from immunescape.phenotype import GateParams, GateSpec
from immunescape.pipeline import Inputs
from immunescape.samples import Sample
from immunescape.study import Study


def sample(name, patient="P1", **told):
    return Sample(
        sample_id=name, slide=Path(f"{name}.tif"), patient=patient, timepoint="baseline",
        specimen=name, **told,
    )  # fmt: skip


def work(name, patient="P1", study=Study(), **told):
    one = sample(name, patient, **told)
    return Work(sample=one, inputs=Inputs(slide=one.slide), study=study, out=Path("out"), key="k")


def group(name, size):
    return Group("patient", name, tuple(work(f"{name}{k}", name) for k in range(size)), "")


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (1, 5, 2), (10,), (2,), (1,) * 7])
@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_hold_every_slide_once_and_keep_small_groups_whole(sizes, of):
    groups = [group(f"G{k}", size) for k, size in enumerate(sizes)]
    shards = [shard_of(groups, shard, of) for shard in range(1, of + 1)]
    names = [w.name for shard in shards for part in shard for w in part]
    assert sorted(names) == sorted(w.name for g in groups for w in g.members)
    share = -(-sum(sizes) // of)
    for shard in shards:
        for whole, part in zip(groups, shard, strict=True):
            assert len(part) in (0, len(whole.members)) or len(whole.members) > share
    loads = [sum(map(len, shard)) for shard in shards]
    assert max(loads) < 2 * share or max(loads) <= share


def test_slides_share_gates_by_patient_or_batch_where_their_settings_agree():
    works = [work("a", "P1", batch="B1"), work("b", "P2", batch="B1"), work("c", "P1", batch="B2")]
    found = groups_of(works)
    assert [(g.kind, g.name, [w.name for w in g.members]) for g in found] == [
        ("patient", "P1", ["a", "c"]),
        ("patient", "P2", ["b"]),
    ]
    by_batch = Study(gating=GateParams(share="batch"))
    found = groups_of([dataclasses.replace(w, study=by_batch) for w in works])
    assert [(g.name, [w.name for w in g.members]) for g in found] == [
        ("B1", ["a", "b"]),
        ("B2", ["c"]),
    ]
    own = Study(gate=(GateSpec("cd8", method="fixed", value=3.0),))
    wider = dataclasses.replace(Study(), margin=dataclasses.replace(Study().margin, width_um=40.0))
    found = groups_of([works[0], dataclasses.replace(works[2], study=own)])
    assert [[w.name for w in g.members] for g in found] == [["a"], ["c"]]
    assert found[0].key != found[1].key
    (one,) = groups_of([works[0], dataclasses.replace(works[2], study=wider)])
    assert len(one.members) == 2


def test_a_sample_is_read_as_the_cohort_says_with_its_own_file_before_it(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[slide]\npixel_size_um = 0.25\nsite = "skin"\n')
    base = Study(seed=7, slide=dataclasses.replace(Study().slide, scene="2"))
    found = study_of(sample("a", study=path), base)
    assert (found.seed, found.slide.scene, found.slide.pixel_size_um) == (7, "2", 0.25)
    assert found.slide.site == "skin"
    assert study_of(sample("a", study=path, site="lymph_node"), base).slide.site == "lymph_node"
    assert study_of(sample("a"), base) == base


def test_a_control_slide_goes_with_the_slide_and_is_looked_at_again_when_it_changed(tmp_path):
    control = tmp_path / "tonsil"
    control.mkdir()
    (control / "gates.csv").write_text("marker,positive\npdl1,50\ncd8,60\n")
    (tmp_path / "a.tif").write_bytes(b"0")
    one = dataclasses.replace(sample("a", control=control), slide=tmp_path / "a.tif")
    first = work_on(one, Study(), tmp_path / "out")
    assert first.inputs.control == control
    (control / "gates.csv").write_text("marker,positive\npdl1,5\ncd8,60\n")
    assert work_on(one, Study(), tmp_path / "out").key != first.key


def test_work_is_new_when_a_file_or_a_parameter_changed(tmp_path):
    slide = tmp_path / "a.tif"
    slide.write_bytes(b"0")
    one = dataclasses.replace(sample("a"), slide=slide)

    def key(study=Study(), **told):
        return work_on(one, study, tmp_path / "out", **told).key

    first = key()
    assert key() == first
    assert key(study=Study(seed=1)) != first
    assert key(sweeps=("margin.width_um=40,100",)) != first
    assert key(csv=True) != first
    slide.write_bytes(b"01")
    assert key() != first
    folder = tmp_path / "out" / "slides" / "a"
    folder.mkdir(parents=True)
    second = key()
    (folder / "edits.csv").write_text("time,user\n")  # as every result holds it
    assert key() == second
    (folder / "edits.csv").write_text("time,user\n1,me\n")
    assert key() != second
