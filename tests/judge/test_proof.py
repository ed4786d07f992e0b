from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from veduta.errors import BadInput
from veduta.judge import proof as harness
from veduta.judge.evidence import Proof
from veduta.judge.proof import Context, find, prove, run_proof, systems
from veduta.judge.verdict import show

PROOF = """
from veduta.judge.proof import Context, Proof

SLUG = "small-claim"
CLAIM = "Two is more than one."


def run(context: Context) -> Proof:
    proof = Proof(SLUG, CLAIM, "a made-up source")
    with context.timed("counting"):
        two = proof.measure("numbers", "two", "size", 2 + context.seed, interval=(1.5, 2.5), n=context.size(100, 10))
    one = proof.measure("numbers", "one", "size", 1, kind="baseline")
    table = context.load("flickr8k") if context.data else None
    proof.must("two minus one", two - one, at_least=1)
    proof.must("no more than three", two, at_most=3)
    proof.note(f"rows: {0 if table is None else table.num_rows}")
    return proof
"""


@pytest.fixture
def proofs(tmp_path: Path) -> Path:
    folder = tmp_path / "proofs"
    folder.mkdir()
    (folder / "small-claim.py").write_text(PROOF)
    (folder / "broken.py").write_text('CLAIM = "x"\ndef run(context): return 3\n')
    (folder / "_common.py").write_text("raise RuntimeError\n")
    return folder


def test_conditions_and_verdicts():
    proof = Proof("s", "c")
    assert not proof.holds
    assert "states no condition" in proof.verdict
    assert proof.must("a", 1, at_least=1)
    assert proof.must("b", -0.1, at_most=0)
    assert proof.holds
    assert proof.verdict == "holds: all 2 conditions are met"
    assert not proof.must("c", float("nan"), at_least=0)
    assert not proof.holds
    assert "1 of 3 conditions fail (c)" in proof.verdict
    assert json.loads(json.dumps(proof.to_json(), allow_nan=False))["conditions"][2]["measured"] is None
    with pytest.raises(BadInput, match="exactly one of"):
        proof.must("d", 1)


def test_a_proof_is_run_recorded_and_listed(proofs: Path, capsys: pytest.CaptureFixture[str]):
    assert [s.holds for s in systems(proofs)] == [None, None]
    assert prove("small-claim", proofs=proofs) == 0
    said = capsys.readouterr().out
    assert "Two is more than one." in said
    assert "holds: all 2 conditions are met" in said
    record = json.loads((proofs / "results" / "small-claim.json").read_text())
    assert record["holds"]
    assert record["seed"] == 0
    assert record["hardware"]["cores"] >= 1
    assert "python" in record["versions"]
    assert record["measured"][0] == {
        "task": "numbers", "arm": "two", "kind": "arm", "metric": "size", "value": 2.0, "interval": [1.5, 2.5], "n": 100,
    }  # fmt: skip
    assert "counting" in record["stages"]
    assert not Path(record["code"]).is_absolute()
    listed = {s.slug: s for s in systems(proofs)}
    assert set(listed) == {"small-claim", "broken"}
    assert listed["small-claim"].holds
    assert (listed["small-claim"].met, listed["small-claim"].conditions) == (2, 2)
    assert listed["small-claim"].claim == "Two is more than one."


def test_other_seeds_and_data_do_not_touch_the_official_record(
    proofs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert prove("small-claim", seed=5, proofs=proofs) == 1
    assert "does not hold: 1 of 2 conditions fail (no more than three)" in capsys.readouterr().out
    data = tmp_path / "mine"
    (data / "flickr8k").mkdir(parents=True)
    (data / "flickr8k" / "index.jsonl").write_text('{"file": "a.jpg"}\n')
    (data / "flickr8k" / "a.jpg").write_bytes(b"a")
    proof = run_proof("small-claim", data=data, proofs=proofs)
    assert proof.notes == ["rows: 1"]
    assert proof.record["data"][0]["from"] == "--data"
    assert len(proof.record["data"][0]["sha256"]) == 64
    names = {path.name for path in (proofs / "results").iterdir()}
    assert names == {"small-claim-seed5.json", "small-claim-data-mine.json"}
    quick = run_proof("small-claim", quick=True, proofs=proofs)
    assert quick.measured[0].n == 10
    assert len(list((proofs / "results").iterdir())) == 2
    out = io.StringIO()
    show(quick, out)
    assert "the verdict counts for nothing" in out.getvalue()


def test_wrong_use_gets_one_sentence(proofs: Path, tmp_path: Path):
    with pytest.raises(BadInput, match=r"no proof 'nothing'.*there are: broken, small-claim"):
        find("nothing", proofs)
    with pytest.raises(BadInput, match="no proof '_common'"):
        find("_common", proofs)
    with pytest.raises(BadInput, match="must return the Proof of 'broken', got int"):
        run_proof("broken", proofs=proofs)
    with pytest.raises(BadInput, match="scale must be cpu or gpu"):
        run_proof("small-claim", scale="tpu", proofs=proofs)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="one folder a sample"):
        run_proof("small-claim", data=tmp_path / "none", proofs=proofs)


def test_a_proof_imports_what_it_shares_from_beside_it(proofs: Path):
    (proofs / "_beside.py").write_text('SLUG = "sharing"\n')
    (proofs / "sharing.py").write_text(
        "from _beside import SLUG\nfrom veduta.judge.proof import Proof\ndef run(context): return Proof(SLUG, 'x')\n"
    )
    before = list(sys.path)
    assert run_proof("sharing", proofs=proofs, quick=True).slug == "sharing"
    assert sys.path == before


def test_generators_of_parts_are_independent_and_repeat():
    one, two = Context(seed=1), Context(seed=1)
    two.rng("other").normal(size=5)
    np.testing.assert_array_equal(one.rng("part").normal(size=5), two.rng("part").normal(size=5))
    assert one.rng("part").normal() != one.rng("elsewhere").normal() != Context(seed=2).rng("part").normal()


def test_every_proof_of_the_checkout_states_its_claim():
    for system in systems(harness.folder()):
        assert system.slug == harness._constant(system.file, "SLUG")
        assert len(system.claim) > 20
