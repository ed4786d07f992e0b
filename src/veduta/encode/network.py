"""What the torch encoders share: the device, the forward pass, the digest of the weights, the download's error."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import Preprocess, unit
from veduta.errors import EncoderError

CHUNK = {"cpu": 8, "cuda": 256}
"""Images in one forward pass, by device."""


def device() -> str:
    """ "cuda" where torch sees a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def weights_digest(network: Any) -> str:
    """Hex sha256 over the names and bytes of a torch module's state dict, in its order."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(_bytes()).numpy().tobytes())
    return digest.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


def vectors(
    forward: Callable[[Any], Any], images: NDArray[np.uint8], preprocess: Preprocess, where: str
) -> NDArray[np.float32]:
    """Prepared images (n, s, s, 3) uint8 through `forward((n, 3, s, s) tensor) -> (n, d)` to (n, d) unit vectors."""
    return unit(outputs(forward, images, preprocess, where))


def outputs(
    forward: Callable[[Any], Any], images: NDArray[np.uint8], preprocess: Preprocess, where: str
) -> NDArray[np.float32]:
    """The same as they come, of any norm."""
    import torch

    scale, shift = (torch.from_numpy(v).view(1, 3, 1, 1).to(where) for v in preprocess.scale_shift())
    rows = []
    with torch.inference_mode(), autocast(where):
        for start in range(0, len(images), CHUNK[where]):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + CHUNK[where]])).to(where)
            found = forward(part.permute(0, 3, 1, 2).float() * scale + shift)
            rows.append(found.float().cpu().numpy())
    return np.concatenate(rows)


def autocast(where: str) -> contextlib.AbstractContextManager[Any]:
    """Half precision on a GPU, full precision on a CPU."""
    import torch

    return torch.autocast("cuda", torch.float16) if where == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def fetching(uri: str, mend: str) -> Iterator[None]:
    """Turn whatever goes wrong while a named model is made or fetched into one EncoderError that ends with `mend`."""
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:
        # The hub clients raise types of half a dozen libraries (requests, httpx, urllib, their own) for one cause.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise EncoderError(f"The encoder '{uri}' could not be loaded ({reason}); {mend}") from error
