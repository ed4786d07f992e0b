"""What the options of a network may not say."""

from __future__ import annotations

from collections.abc import Iterable

from veduta.errors import BadInput

_PLACES = frozenset(("cache_dir", "checkpoint_path", "features_cfg", "file", "hf_hub_id", "model_cfg", "url"))


def refuse_places(options: Iterable[str]) -> None:
    """Raise BadInput for options by which a network's maker would load weights from a file or an address.

    A run that somebody sent, or a page, could name them; weights come by `pretrained`, or from a run.
    """
    wrong = next((name for name in options if name in _PLACES or name.startswith("pretrained")), None)
    if wrong:
        raise BadInput(
            f"a network takes no option '{wrong}', which says where weights come from; use pretrained, or start from a run"
        )
