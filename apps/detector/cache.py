"""The training images, decoded once into a memory-mapped file of one canvas each."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .images import GRAY, Fitted, fit
from .types import ImageSource, IntArray, Pixels, UnreadableImage

CAP_BYTES = 4 << 30
_THREADS = 4
_CHUNK = 64


class PixelCache:
    """Images by place. Those beyond the cap are decoded again each time they are drawn."""

    def __init__(
        self, path: Path, sources: Sequence[ImageSource], canvas: tuple[int, int], cap: int = CAP_BYTES
    ) -> None:
        self.canvas, self.sources = canvas, list(sources)
        self.slots = min(len(sources), cap // (canvas[0] * canvas[1] * 3))
        self.sizes = np.zeros((len(sources), 2), dtype=np.int64)
        self.errors: dict[int, str] = {}  # of each image's last reading
        shape = (max(1, self.slots), canvas[1], canvas[0], 3)
        self.pixels = np.memmap(path, dtype=np.uint8, mode="w+", shape=shape)

    def fill(self, progress: Callable[[int], None]) -> None:
        """Decode everything once; the unreadable go to `errors`, and the rest goes on."""
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(self.sources), _CHUNK):
                places = range(start, min(start + _CHUNK, len(self.sources)))
                for place, fitted in zip(places, pool.map(self._try, places), strict=True):
                    if fitted is not None:
                        self.sizes[place] = fitted.width, fitted.height
                        if place < self.slots:
                            self.pixels[place] = fitted.pixels
                progress(places[-1] + 1)

    def read(self, places: IntArray) -> Pixels:
        """(n,) -> (n, height, width, 3); gray where an image is in `errors` since."""
        cached = self.pixels[np.minimum(places, len(self.pixels) - 1)]
        for row, place in enumerate(places):
            if place >= self.slots:
                fitted = self._try(place)
                cached[row] = GRAY if fitted is None else fitted.pixels
        return cached

    def _try(self, place: int) -> Fitted | None:
        try:
            fitted = fit(self.sources[place], self.canvas)
        except (UnreadableImage, OSError) as error:
            self.errors[place] = str(error)
            return None
        self.errors.pop(place, None)
        return fitted
