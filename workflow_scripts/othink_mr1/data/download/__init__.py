"""Downloads sources and backbones: pinned, only the files that are asked for, verified, resumed."""

import os

# Before the hub's library is imported: it shall neither tell the hub which packages are installed and what
# program it runs in, nor ask it (an extra request) how that program may be recognised.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
