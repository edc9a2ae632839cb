"""Downloads sources and backbones: pinned, only the files that are asked for, verified.

The transfer is huggingface_hub's. Ours: which files, which commit, patience, and one line for each error.
"""

import os

# The hub's library reads these when it is imported. No telemetry: it shall neither tell the hub which
# packages are installed nor ask it how this program may be recognised. No Xet: its transfers would not go
# through our client, which decides what is retried and where the token goes.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ["HF_HUB_DISABLE_XET"] = "1"
