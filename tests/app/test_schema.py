"""Generated requests over the whole API: whatever is asked, the server never fails, and says what its schema says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from app.curated import CAPTION, HOSTILE
from veduta.app.server import create_app

schemathesis = pytest.importorskip("schemathesis")
hypothesis = pytest.importorskip("hypothesis")

SAMPLES: dict[str, list[Any]] = {
    "version": [None, 1, 2, 5, 10**6],
    "where": ["width > 40", "label = 'disc'", "error is null", "nonsense =", "label like '%''%'", ""],
    "column": ["label", "width", "captions", "embedding", "objects", "key", "nothing", "is_outlier"],
    "sort": ["width", "label", "captions", "embedding", "nothing"],
    "key": ["s0001", *HOSTILE, "broken.jpg", ""],
    "like": ["s0001", "nobody", *HOSTILE],
    "inside": ["[[0, 0, 1, 0, 1, 1]]", "[[0, 0, 1, 0]]", "[", "5"],
    "text": ["a disc", "'", "</script>"],
    "rows": ["0,1,2", "27", "99"],
    "kind": ["label-issues", "duplicates"],
    "a": ["near", "exact"],
    "b": ["near", "exact"],
    "name": ["mine", "overview"],
}
"""What generated text would never hit."""
BODIES: dict[str, list[Any]] = {
    "POST /api/decide": [
        {"kind": "outliers", "decisions": {"s0001": "dismiss", HOSTILE[0]: "open"}},
        {"kind": "label-issues", "decisions": {"s0001": "relabel:" + CAPTION}},
        {"kind": "label-issues", "decisions": {"s0003": "accept", "nobody": "dismiss"}},
    ],
    "POST /api/selections": [
        {"name": "made", "keys": list(HOSTILE), "note": CAPTION},
        {"name": "view", "state": {"where": "width > 40", "pick": [{"column": "label", "values": [CAPTION, None]}]}},
        {"name": "search", "state": {"like": "s0001", "top": 3}},
    ],
    "POST /api/undo": [{"to": 1}, {"to": 5}, {"to": 10**6}, {"to": None}],
}
EXAMPLES = 20
UNDONE = ("/jobs", "/exports", "/events", "/cancel", "{name}", "{kind}", "/map", "/queries")
"""Ends of what can only be answered after something was made; test_jobs.py and others do that."""


@pytest.fixture(scope="module")
def app(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    own = Path(shutil.copytree(whole, tmp_path_factory.mktemp("schema") / "own.vd"))
    made = create_app(own)
    made.state.session.jobs.closed = True  # so that nothing starts
    return made


def cases(operation: Any) -> Any:
    """Requests of one operation, some of their parameters from SAMPLES."""

    strategies = hypothesis.strategies
    required = {parameter.name for parameter in operation.iter_parameters() if parameter.is_required}

    @strategies.composite
    def some(draw: Any) -> Any:
        case = draw(operation.as_strategy())
        for part in (case.query, case.path_parameters):
            for name in sorted(set(part or {}) & set(SAMPLES)):
                if draw(strategies.integers(0, 2)):
                    part[name] = draw(strategies.sampled_from(SAMPLES[name]))
        for name in sorted(set(SAMPLES) & {p.name for p in operation.iter_parameters()} - set(case.query or {})):
            if draw(strategies.booleans()):
                case.query[name] = draw(strategies.sampled_from(SAMPLES[name]))
        if draw(strategies.booleans()):  # else one bad parameter of many hides all that lies behind the good ones
            case.query = {name: value for name, value in (case.query or {}).items() if name in required}
        if operation.label in BODIES and draw(strategies.booleans()):
            case.body = draw(strategies.sampled_from(BODIES[operation.label]))
        return case

    return some()


def ask_all(operation: Any) -> set[int]:
    """Send generated requests of one operation; the statuses that came."""
    seen: set[int] = set()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases(operation))
    def ask(case: Any) -> None:
        answer = case.call(headers={"host": "localhost"})
        seen.add(answer.status_code)
        assert answer.status_code < 500, f"{operation.label}: {answer.text}"
        assert answer.status_code < 400 or answer.json()["error"]["message"], operation.label

    ask()
    return seen


def test_no_request_breaks_the_server(app: Any) -> None:
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers={"host": "localhost"})
    whole = app.state.session.newest()
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 30
    silent = []
    for operation in operations:
        app.state.session.writable().undo(whole)  # whatever the operation before has done
        if not ask_all(operation) & {200, 204} and not operation.label.endswith(UNDONE):
            silent.append(operation.label)
    assert not silent, f"no request to these was ever answered: {silent}"
