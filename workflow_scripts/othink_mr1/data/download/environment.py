"""Environment variables that network libraries obey: a wrong one is named before anything is fetched."""

from __future__ import annotations

import os
import re

from othink_mr1.errors import UserError

_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?", re.IGNORECASE)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def check_network_variables() -> None:
    """UserError names a variable that no connection can be made with. client.py does so for proxies."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint and not _ADDRESS.fullmatch(endpoint):
        raise UserError(
            "HF_ENDPOINT: must be an address like https://huggingface.co, without blanks; unset it"
        )
    for variable in _CERTIFICATES:
        places = os.environ.get(variable, "")
        for path in places.split(os.pathsep) if variable == "SSL_CERT_DIR" else [places]:
            if path and not os.path.exists(path):
                raise UserError(
                    f"{variable}: there is no {path}; name what has the certificates, or unset it"
                )
