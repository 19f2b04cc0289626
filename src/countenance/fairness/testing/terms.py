"""What a tester and the server agree on: where pairs are tested, and what one request may have."""

from __future__ import annotations

# Where on the server, by POST.
PATH = "/fairness/pairs"

# One request keeps a worker busy for some seconds; its bytes are bounded as those of any request are.
MAX_PHOTOS = 32
# Every pair that so many photos make.
MAX_PAIRS = MAX_PHOTOS * (MAX_PHOTOS - 1) // 2

# Why a photo has no template though it could be read, as answers have it; otherwise it is the name of an exception.
NO_FACE = "NO_FACE"
